/** Follows the server's news and says whether it does. */

interface News {
  channel: string;
  seq: number;
  type: string;
  data: Record<string, unknown>;
}

const PULSE_CHANNELS = "blocks,status";
const CHANGE_CHANNELS = new Set(["auctions", "trades", "settlements", "audit", "book"]);
/** Pages that show what each block says. */
const OF_BLOCKS = /^\/(ledger|devnet|status)$|^\/trade$|^\/ledger\/blocks\//;
const SETTLE_MS = 400;

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
  let known: unknown;
  const soon = (): void => {
    timer ??= window.setTimeout(() => {
      timer = undefined;
      changed();
    }, SETTLE_MS);
  };
  const source = new EventSource(`/v1/stream?channels=${PULSE_CHANNELS},${[...CHANGE_CHANNELS].join(",")}`);
  source.onopen = () => say("live");
  source.onerror = () => say("away");
  source.onmessage = (event: MessageEvent<string>) => {
    const news = parse(event.data);
    if (news.type === "hello") {
      // Another stream than before: what happened in between was missed.
      if (known !== undefined && known !== news.data["stream_id"]) soon();
      known = news.data["stream_id"];
    } else if (news.channel === "status") {
      for (const [name, value] of Object.entries(news.data)) show(name, value);
    } else if (news.channel === "blocks") {
      show("block_number", news.data["number"]);
      if (news.type === "reorg" || OF_BLOCKS.test(location.pathname)) soon();
    } else if (news.channel === "book" && document.getElementById("open-book") === null) {
      return;
    } else if (CHANGE_CHANNELS.has(news.channel) && news.type !== "snapshot") {
      soon();
    }
  };
}
