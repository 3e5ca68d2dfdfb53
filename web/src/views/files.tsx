// The files of a folder: all of them in one list, of which only the pages that are looked at are asked for.

import { useEffect, useRef, useState } from "preact/hooks";
import { post, sentence } from "../api";
import { now, onHappening, connection } from "../live";
import { ago, moment, plural, size } from "../words";
import { printable } from "../names";
import { LongList } from "../parts/long-list";
import { Path } from "../parts/name";
import { Problem } from "../parts/act";
import { to } from "../route";
import type { Folder } from "../answers";

interface Entry {
  path: string;
  type: "text" | "file" | "directory" | "symlink";
  /** Of a text that is not on this disk nobody knows it. */
  bytes: number | null;
  changed_at: number | null;
  here: boolean;
  conflict: boolean;
  reason: string;
}

const PAGE = 200;
const SETTLES_MS = 1_000;
const TYPED_MS = 200;

class Pages {
  readonly entries = new Map<number, Entry>();
  readonly asked = new Set<number>();
}

/** The files whose path has `search` in it, as far as they were looked at. */
function useFiles(folder: string, search: string) {
  const pages = useRef(new Pages());
  const [total, setTotal] = useState<number | null>(null);
  const [problem, setProblem] = useState("");
  const [, setSeen] = useState(0);
  const range = useRef<[number, number]>([0, 1]);

  async function load(into: Pages, page: number): Promise<void> {
    if (into.asked.has(page)) return;
    into.asked.add(page);
    try {
      const body = { folder, search, offset: page * PAGE, limit: PAGE };
      const found = await post<{ total: number; entries: Entry[] }>("/v1/folder/files", body);
      found.entries.forEach((entry, index) => into.entries.set(page * PAGE + index, entry));
      if (pages.current !== into && page !== 0) return;
      setTotal(found.total);
      setProblem("");
      setSeen((seen) => seen + 1);
    } catch (error) {
      into.asked.delete(page);
      setProblem(sentence(error));
    }
  }

  function look(first: number, last: number): void {
    range.current = [first, last];
    for (let page = Math.floor(first / PAGE); page * PAGE < Math.max(last, 1); page++) void load(pages.current, page);
  }

  useEffect(() => {
    let isOurs = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const renew = async (): Promise<void> => {
      const fresh = new Pages();
      const [first, last] = range.current;
      const wanted = [];
      for (let page = Math.floor(first / PAGE); page * PAGE < Math.max(last, 1); page++) wanted.push(load(fresh, page));
      await Promise.all(wanted);
      if (!isOurs) return;
      pages.current = fresh;
      setSeen((seen) => seen + 1);
    };
    pages.current = new Pages();
    range.current = [0, 1];
    setTotal(null);
    look(0, 1);
    const end = onHappening((event) => {
      const isAbout = event.kind === "lost" || (event.kind === "file" && event["folder"] === folder);
      if (!isAbout || timer !== undefined) return;
      timer = setTimeout(() => {
        timer = undefined;
        void renew();
      }, SETTLES_MS);
    });
    return () => {
      isOurs = false;
      clearTimeout(timer);
      end();
    };
  }, [folder, search, connection.value === "live"]);

  return { total, problem, look, at: (index: number) => pages.current.entries.get(index) };
}

export function Files({ folder }: { folder: Folder }) {
  const [typed, setTyped] = useState("");
  const [search, setSearch] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setSearch(typed.trim()), TYPED_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const files = useFiles(folder.id, search);
  return (
    <section class="stack">
      <label>
        Search by name
        <input
          type="search"
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
          autocomplete="off"
          spellcheck={false}
        />
      </label>
      <p class="quiet" role="status">
        {files.total === null
          ? files.problem
            ? ""
            : "Asking yp2p…"
          : search
            ? `${plural(files.total, "file")} with “${search}”`
            : plural(files.total, "file")}
      </p>
      <Problem text={files.problem} />
      {files.total !== null && files.total > 0 && (
        <LongList
          key={search}
          label={`Files of ${printable(folder.label)}`}
          total={files.total}
          onSeen={files.look}
          row={(index) => <FileRow folder={folder} entry={files.at(index)} />}
        />
      )}
    </section>
  );
}

function FileRow({ folder, entry }: { folder: Folder; entry: Entry | undefined }) {
  if (!entry) return <span class="quiet">…</span>;
  return (
    <>
      <a
        class="file-name"
        href={to("file", folder.id, entry.path, ...(entry.type === "text" ? ["read"] : []))}
        title={printable(entry.path)}
      >
        <Path text={entry.path} />
      </a>
      <span class="file-facts quiet">
        {entry.conflict && <span class="tag look">conflict</span>}
        {!entry.here && <span class="tag">not on this disk</span>}
        {entry.reason && <span class="tag look">{printable(entry.reason)}</span>}
        {(entry.type === "text" || entry.type === "file") && entry.bytes !== null && <span>{size(entry.bytes)}</span>}
        {entry.changed_at !== null && (
          <time dateTime={new Date(entry.changed_at * 1000).toISOString()} title={moment(entry.changed_at)}>
            {ago(entry.changed_at, now.value)}
          </time>
        )}
      </span>
    </>
  );
}
