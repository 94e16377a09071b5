/** Replaces the parts of the page that the server marked, with what the same page says now. */

let running = false;
let again = false;

function replace(fresh: Document): void {
  for (const old of document.querySelectorAll<HTMLElement>("[data-refresh][id]")) {
    const now = fresh.getElementById(old.id);
    if (now === null || old.innerHTML === now.innerHTML) continue;
    const left = old.scrollLeft;
    const focused = old.contains(document.activeElement) && document.activeElement !== old;
    // A person who stands in this part with the keyboard keeps it until he leaves.
    if (focused) continue;
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
