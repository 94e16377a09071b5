/** Asks the API; a refusal becomes an error that says what the problem document says. */

export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

interface Problem {
  code: string;
  detail: string;
}

export async function ask<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
  const sent: RequestInit = { method, headers: { Accept: "application/json", ...headers } };
  if (body !== undefined) {
    sent.body = JSON.stringify(body);
    sent.headers = { ...sent.headers, "Content-Type": "application/json" };
  }
  const answer = await fetch(path, sent);
  if (!answer.ok) {
    const problem = (await answer.json().catch(() => ({ code: "unreadable", detail: answer.statusText }))) as Problem;
    throw new Refused(problem.code, problem.detail);
  }
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

/** A key that names one request, so that sending it twice does it once. */
export function requestKey(): string {
  return crypto.randomUUID();
}
