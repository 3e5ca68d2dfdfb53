// What changed lately, and by whom, in all folders.

import { useEffect, useState } from "preact/hooks";
import { post } from "../api";
import { connection, onHappening, status } from "../live";
import type { Folder } from "../answers";
import { clock, day, isoDay } from "../words";
import { Name, Path } from "../parts/name";
import { Names } from "../parts/names-list";
import { Title } from "../parts/title";
import { to } from "../route";

interface Change {
  path: string;
  change: string;
  was: string | null;
  at: number;
  devices: string[];
  added: number | null;
  removed: number | null;
}

const MOST = 100;

export function Changes() {
  const folders = status.value?.folders;
  return (
    <>
      <Title text="What changed lately" />
      {folders ? <AllChanges folders={folders} /> : <p class="quiet">Asking yp2p…</p>}
    </>
  );
}

type Listed = Change & { folder: Folder };

/** What was there when the view was opened comes with answers, one a folder; what happens then comes with the events. */
function useChanges(folders: Folder[]): { found: Listed[]; isAsking: boolean } {
  const [found, setFound] = useState<Listed[]>([]);
  const [open, setOpen] = useState(0);
  const add = (more: Listed[]): void => setFound((old) => [...old, ...more].sort((a, b) => b.at - a.at).slice(0, MOST));
  const isLive = connection.value === "live";
  const key = folders.map((folder) => folder.id).join();
  useEffect(() => {
    if (!isLive) return;
    let isOurs = true;
    const stop = new AbortController();
    setFound([]);
    setOpen(folders.length);
    for (const folder of folders) {
      post<{ changes: Change[] }>("/v1/history/log", { path: folder.path, limit: MOST }, stop.signal)
        .then(({ changes }) => isOurs && add(changes.map((change) => ({ ...change, folder }))))
        .catch(() => undefined) // a folder that is away has no changes to show; the overview says why
        .finally(() => isOurs && setOpen((count) => count - 1));
    }
    const end = onHappening((event) => {
      const folder = folders.find((one) => one.id === event["folder"]);
      if (event.kind !== "file" || !folder) return;
      const { path, change, was, at, devices } = event as unknown as Change;
      add([{ path, change, was, at, devices, added: null, removed: null, folder }]);
    });
    return () => {
      isOurs = false;
      stop.abort();
      end();
    };
  }, [key, isLive]);
  return { found, isAsking: open > 0 };
}

function AllChanges({ folders }: { folders: Folder[] }) {
  const { found, isAsking } = useChanges(folders);
  const days = new Map<string, Listed[]>();
  for (const one of found) days.set(isoDay(one.at), [...(days.get(isoDay(one.at)) ?? []), one]);
  return (
    <>
      {isAsking && <p class="quiet">Asking yp2p…</p>}
      {!isAsking && days.size === 0 && <p class="quiet">Nothing yet.</p>}
      {[...days].map(([key, changes]) => (
        <section key={key} class="stack">
          <h2>{day(changes[0]?.at ?? 0)}</h2>
          <ul class="lines">
            {changes.map((one) => (
              <ChangeLine key={JSON.stringify([one.folder.id, one.path, one.at])} change={one} />
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

function ChangeLine({ change }: { change: Listed }) {
  return (
    <li>
      <span>
        <span class="quiet">{clock(change.at)}</span> <Names of={change.devices} /> {change.change}{" "}
        <a href={to("file", change.folder.id, change.path)}>
          <Name text={change.folder.label} /> / <Path text={change.path} />
        </a>
        {change.was !== null && (
          <>
            , which was <Name text={change.was} />
          </>
        )}
      </span>
      {change.added !== null && change.removed !== null && (
        <span class="amounts" title="characters">
          <span class="added">+{change.added.toLocaleString("en")}</span>{" "}
          <span class="removed">−{change.removed.toLocaleString("en")}</span>
        </span>
      )}
    </li>
  );
}
