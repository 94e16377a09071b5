/** Runs what a person asked for, once at a time, and says how it went where he is looking. */

export type Say = (text: string) => void;

export async function run(form: HTMLElement, work: (say: Say) => Promise<string>): Promise<void> {
  const line = form.querySelector<HTMLElement>("[data-say]") ?? form.closest("section")?.querySelector<HTMLElement>("[data-say]") ?? document.querySelector<HTMLElement>("[data-told]");
  const buttons = [...form.querySelectorAll("button"), ...(form instanceof HTMLButtonElement ? [form] : [])];
  const say = (text: string, bad = false): void => {
    if (line === null || line === undefined) return;
    line.textContent = text;
    line.hidden = text === "";
    line.classList.toggle("bad", bad);
  };
  for (const button of buttons) button.disabled = true;
  form.ariaBusy = "true";
  try {
    say(await work(say));
  } catch (error) {
    say(error instanceof Error ? error.message : String(error), true);
  } finally {
    for (const button of buttons) button.disabled = false;
    form.ariaBusy = null;
  }
}
