// What changed lately, and by whom, in all folders.

import { post } from "../api";
import { status } from "../live";
import type { Folder } from "../answers";
import { clock, day, isoDay } from "../words";
import { Answered, useAnswer } from "../parts/answer";
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

function AllChanges({ folders }: { folders: Folder[] }) {
  const answer = useAnswer(
    folders.map((folder) => folder.id).join(),
    async () => {
      const asked = folders.map(async (folder): Promise<Listed[]> => {
        const { changes } = await post<{ changes: Change[] }>("/v1/history/log", { path: folder.path, limit: MOST });
        return changes.map((change) => ({ ...change, folder }));
      });
      const found = (await Promise.allSettled(asked)).flatMap((one) => (one.status === "fulfilled" ? one.value : []));
      return found.sort((a, b) => b.at - a.at).slice(0, MOST);
    },
    (event) => event.kind === "file",
  );
  return (
    <Answered answer={answer}>
      {(found) => {
        const days = new Map<string, Listed[]>();
        for (const one of found) days.set(isoDay(one.at), [...(days.get(isoDay(one.at)) ?? []), one]);
        if (days.size === 0) return <p class="quiet">Nothing yet.</p>;
        return (
          <>
            {[...days].map(([key, changes]) => (
              <section key={key} class="stack">
                <h2>{day(changes[0]?.at ?? 0)}</h2>
                <ul class="lines">
                  {changes.map((one, index) => (
                    <ChangeLine key={index} change={one} />
                  ))}
                </ul>
              </section>
            ))}
          </>
        );
      }}
    </Answered>
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
