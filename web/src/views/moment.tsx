// A folder as it was at a moment, and back to that.

import { About } from "../parts/about";
import { useState } from "preact/hooks";
import { post } from "../api";
import { connection } from "../live";
import type { Folder } from "../answers";
import { clock, isoDay, moment, plural } from "../words";
import { Answered, useAnswer } from "../parts/answer";
import { Dialog } from "../parts/dialog";
import { Path } from "../parts/name";
import { Text } from "../parts/texts";
import { printable } from "../names";
import { textOf } from "../texts";

interface Step {
  path: string;
  action: string;
  reason?: string;
}

const HOUR_S = 3600;
const CHOICES: [string, number][] = [
  ["Ten minutes ago", HOUR_S / 6],
  ["An hour ago", HOUR_S],
  ["Yesterday at this time", 24 * HOUR_S],
  ["A week ago", 7 * 24 * HOUR_S],
];

const WORDS: Record<string, string> = {
  change: "becomes what it was",
  "bring back": "comes back",
  remove: "goes to the trash",
  rename: "gets its former name",
  skipped: "stays as it is",
};

export function Moment({ folder }: { folder: Folder }) {
  const [at, setAt] = useState<number | null>(null);
  return (
    <section class="stack">
      <h2>The folder as it was</h2>
      <p>
        Choose a moment. Nothing is changed before you say so, and what is restored can be taken back in the same way.
      </p>
      <div class="row">
        <label>
          Day and time
          <input
            type="datetime-local"
            value={at === null ? "" : `${isoDay(at)}T${clock(at)}`}
            max={`${isoDay(Date.now() / 1000)}T${clock(Date.now() / 1000)}`}
            onChange={(event) => {
              const chosen = new Date(event.currentTarget.value).getTime();
              setAt(Number.isNaN(chosen) ? null : chosen / 1000);
            }}
          />
        </label>
        <span class="buttons">
          {CHOICES.map(([name, seconds]) => (
            <button key={name} type="button" onClick={() => setAt(Math.floor(Date.now() / 1000 - seconds))}>
              {name}
            </button>
          ))}
        </span>
      </div>
      {at !== null && <AsOf key={at} folder={folder} at={at} />}
    </section>
  );
}

function AsOf({ folder, at }: { folder: Folder; at: number }) {
  const [isAsking, setAsking] = useState(false);
  const [shown, setShown] = useState("");
  const answer = useAnswer(
    `${folder.id}@${at}`,
    () => post<{ done: Step[] }>("/v1/history/restore-directory", { path: folder.path, at, dry_run: true }),
    () => false,
  );
  return (
    <Answered answer={answer}>
      {({ done }) => {
        const steps = done.filter((step) => step.action !== "skipped");
        return (
          <>
            <p role="status">
              {done.length === 0
                ? `Everything that was there on ${moment(at)} is what it was.`
                : `${plural(steps.length, "file")} would be different from now, as of ${moment(at)}. Files that were made since stay.`}
            </p>
            {done.length > 0 && (
              <ul class="lines">
                {done.map((step) => (
                  <li key={step.path}>
                    <span>
                      <Path text={step.path} /> <span class="quiet">{WORDS[step.action] ?? step.action}</span>
                      {step.reason && <span class="quiet">: {printable(step.reason)}</span>}
                    </span>
                    {step.action !== "skipped" && (
                      <button type="button" onClick={() => setShown(step.path)}>
                        See it as it was
                        <About text={step.path} />
                      </button>
                    )}
                  </li>
                ))}
              </ul>
            )}
            {steps.length > 0 && (
              <div class="buttons">
                <button type="button" class="main changing" onClick={() => setAsking(true)}>
                  Restore the whole folder…
                </button>
              </div>
            )}
            {isAsking && (
              <Dialog
                title={`Make ${plural(steps.length, "file")} what they were?`}
                does="Restore"
                onClose={() => setAsking(false)}
                onAct={async () => {
                  await post("/v1/history/restore-directory", { path: folder.path, at, dry_run: false });
                  answer.reload();
                  return `The folder is as it was on ${moment(at)}.`;
                }}
              >
                <p>
                  This happens on all devices, as an edit of now: what is there now stays in the history, and can be
                  brought back in the same way.
                </p>
              </Dialog>
            )}
            {shown && <AsItWas folder={folder} path={shown} at={at} onClose={() => setShown("")} />}
          </>
        );
      }}
    </Answered>
  );
}

function AsItWas({ folder, path, at, onClose }: { folder: Folder; path: string; at: number; onClose: () => void }) {
  const answer = useAnswer(
    path,
    () => textOf(`${folder.path}/${path}`, { at }),
    () => false,
  );
  return (
    <Dialog title={<Path text={path} />} onClose={onClose}>
      <p class="quiet">As it was on {moment(at)}.</p>
      {connection.value === "live" && (
        <Answered answer={answer}>
          {(text) =>
            text === null ? (
              <p>It is no text, and comes back as it was.</p>
            ) : (
              <Text text={text} label="The text as it was" />
            )
          }
        </Answered>
      )}
    </Dialog>
  );
}
