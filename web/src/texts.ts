// The text of a file, also as it was; nothing where it is no text.

import { post } from "./api";

export async function textOf(path: string, when?: { at: number }): Promise<string | null> {
  const { kind } = await post<{ kind: string }>("/v1/history/log", { path });
  if (kind !== "text") return null;
  return (await post<{ text: string }>("/v1/history/show", { path, ...(when ? { when } : {}) })).text;
}
