// What other devices deleted or replaced: it lies in the folder's trash for 30 days, and texts in the history for longer.

import { About } from "../parts/about";
import { useState } from "preact/hooks";
import { post } from "../api";
import type { Folder } from "../answers";
import { plural, size } from "../words";
import { printable } from "../names";
import { Act } from "../parts/act";
import { Answered, useAnswer } from "../parts/answer";
import { Dialog } from "../parts/dialog";
import { Path } from "../parts/name";
import { Time } from "../parts/texts";
import { to } from "../route";

interface Item {
  item: string;
  path: string;
  bytes: number;
  removed_at: string;
}

interface Deleted {
  path: string;
  at: number;
}

function Versions({ folder, path }: { folder: Folder; path: string }) {
  return (
    <a class="button" href={to("file", folder.id, path)}>
      Bring back a version…
      <About text={path} />
    </a>
  );
}

export function Trash({ folder }: { folder: Folder }) {
  const [isEmptying, setEmptying] = useState(false);
  const isAbout = (event: { kind: string; folder?: unknown; change?: unknown }): boolean =>
    event.kind === "file" && event.folder === folder.id && event.change === "deleted";
  const answer = useAnswer(folder.id, () => post<Item[]>("/v1/trash", { folder: folder.id }), isAbout);
  const deleted = useAnswer(
    `${folder.id}!`,
    () => post<Deleted[]>("/v1/history/deleted", { folder: folder.id }),
    isAbout,
  );
  return (
    <>
      <section class="stack">
        <h2>Trash</h2>
        <p>What other devices deleted or replaced stays here for 30 days. Putting it back brings it to all devices.</p>
        <Answered answer={answer}>
          {(items) =>
            items.length === 0 ? (
              <p class="quiet">It is empty.</p>
            ) : (
              <>
                <ul class="lines">
                  {items.map((one) => (
                    <li key={one.item}>
                      <span>
                        <Path text={one.path} />{" "}
                        <span class="quiet">
                          {size(one.bytes)}, since{" "}
                          {printable(one.removed_at.replace("T", " ").replace(/(\d\d)(\d\d)(\d\d)$/, "$1:$2"))}
                        </span>
                      </span>
                      <span class="buttons">
                        {deleted.value?.some((text) => text.path === one.path) && (
                          <Versions folder={folder} path={one.path} />
                        )}
                        <Act
                          about={one.path}
                          onAct={async () => {
                            const done = await post<{ restored: string[]; skipped: unknown[] }>("/v1/trash/restore", {
                              folder: folder.id,
                              names: [one.item],
                            });
                            answer.reload();
                            return done.restored.length > 0
                              ? `${printable(one.path)} is back.`
                              : `${printable(one.path)} stayed in the trash: something stands in its place.`;
                          }}
                        >
                          Put it back
                        </Act>
                      </span>
                    </li>
                  ))}
                </ul>
                <div class="buttons">
                  <button type="button" class="danger changing" onClick={() => setEmptying(true)}>
                    Empty the trash…
                  </button>
                </div>
              </>
            )
          }
        </Answered>
      </section>
      <section class="stack">
        <h2>Other deleted texts</h2>
        <p>Of a text all versions stay when it is deleted, whoever did it.</p>
        <Answered answer={deleted}>
          {(all) => {
            const inTrash = new Set(answer.value?.map((one) => one.path));
            const found = all.filter((one) => !inTrash.has(one.path));
            return found.length === 0 ? (
              <p class="quiet">There is none.</p>
            ) : (
              <ul class="lines">
                {found.map((one) => (
                  <li key={one.path}>
                    <span>
                      <Path text={one.path} />{" "}
                      <span class="quiet">
                        deleted <Time at={one.at} />
                      </span>
                    </span>
                    <Versions folder={folder} path={one.path} />
                  </li>
                ))}
              </ul>
            );
          }}
        </Answered>
      </section>
      {isEmptying && (
        <Dialog
          title="Remove what is in the trash for good?"
          does="Remove for good"
          kind="danger"
          onClose={() => setEmptying(false)}
          onAct={async () => {
            const { removed } = await post<{ removed: number }>("/v1/trash/empty", { folder: folder.id });
            answer.reload();
            return `${plural(removed, "file")} removed.`;
          }}
        >
          <p>
            Files that are no texts cannot be brought back from this device then. Other devices keep what is in their
            own trash.
          </p>
        </Dialog>
      )}
    </>
  );
}
