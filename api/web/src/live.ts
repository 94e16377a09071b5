/** Follows the server's news and says whether it does. */

interface News {
  channel: string;
  seq: number;
  type: string;
  data: Record<string, unknown>;
}

const PULSE_CHANNELS = "blocks,status";
const CHANGE_CHANNELS = new Set(["auctions", "trades", "settlements", "audit", "book", "notifications"]);
/** Pages that show what each block says. */
const OF_BLOCKS = /^\/(ledger|devnet|status)$|^\/trade$|^\/ledger\/blocks\//;
const SETTLE_MS = 400;
/** Blocks come all the time; what follows them looks again only so often. */
const BLOCKS_MS = 2_000;

function show(name: string, value: unknown): void {
  if (typeof value !== "number") return;
  const text = value.toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
  for (const element of document.querySelectorAll(`[data-live="${name}"]`)) element.textContent = text;
}

function say(state: "live" | "away"): void {
  const mark = document.querySelector<HTMLElement>("[data-live-state]");
  const text = document.querySelector<HTMLElement>("[data-live-text]");
  if (mark === null || text === null) return;
  mark.hidden = false;
  mark.dataset["liveState"] = state;
  text.textContent = state === "live" ? "live" : "reconnecting";
}

function parse(text: string): News {
  return JSON.parse(text) as News;
}

/** Calls `changed` soon after something changed that the page shows. */
export function follow(changed: () => void): void {
  let timer: number | undefined;
  let greeted = false;
  const soon = (wait = SETTLE_MS): void => {
    timer ??= window.setTimeout(() => {
      timer = undefined;
      changed();
    }, wait);
  };
  const channels = [...CHANGE_CHANNELS].filter((name) => name !== "notifications" || document.querySelector("#news") !== null);
  const source = new EventSource(`/v1/stream?channels=${PULSE_CHANNELS},${channels.join(",")}`);
  source.onopen = () => say("live");
  source.onerror = () => say("away");
  source.onmessage = (event: MessageEvent<string>) => {
    const news = parse(event.data);
    if (news.type === "hello") {
      // Not the first: what happened while the stream was away was missed.
      if (greeted) soon();
      greeted = true;
    } else if (news.channel === "status") {
      for (const [name, value] of Object.entries(news.data)) show(name, value);
    } else if (news.channel === "blocks") {
      show("block_number", news.data["number"]);
      if (news.type === "reorg") soon();
      else if (OF_BLOCKS.test(location.pathname)) soon(BLOCKS_MS);
    } else if (news.channel === "book" && document.getElementById("open-book") === null) {
      return;
    } else if (CHANGE_CHANNELS.has(news.channel) && news.type !== "snapshot") {
      soon();
    }
  };
}
