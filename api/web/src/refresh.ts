/** Replaces the parts of the page that the server marked, with what the same page says now. */

let running = false;
let again = false;
/** What the server last said of a part; what scripts have made of it since is no change. */
const last = new WeakMap<HTMLElement, string>();

function replace(fresh: Document): void {
  for (const old of document.querySelectorAll<HTMLElement>("[data-refresh][id]")) {
    const now = fresh.getElementById(old.id);
    if (now === null || last.get(old) === now.innerHTML || old.innerHTML === now.innerHTML) continue;
    // What was asked for here is on its way, and says so here when it is done.
    if (old.querySelector("[aria-busy=true]") !== null) continue;
    const left = old.scrollLeft;
    const focused = old.contains(document.activeElement) && document.activeElement !== old;
    // A person who stands in this part with the keyboard keeps it until he leaves.
    if (focused) continue;
    last.set(old, now.innerHTML);
    old.replaceChildren(...now.childNodes);
    old.scrollLeft = left;
  }
}

export async function refresh(): Promise<void> {
  if (running) {
    again = true;
    return;
  }
  running = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch (error) {
    // The stream tells when the server is back; what is shown stays until then.
    console.info("page not refreshed:", error);
  } finally {
    running = false;
  }
  if (again) {
    again = false;
    await refresh();
  }
}
