// What a person may want to look at, of the last week.

import { get, post } from "../api";
import { now, status } from "../live";
import { ago, moment } from "../words";
import { About } from "../parts/about";
import { Act } from "../parts/act";
import { useAnswer } from "../parts/answer";
import { Name } from "../parts/name";
import { Words } from "../parts/words-of-daemon";
import { to } from "../route";
import type { Notice } from "../answers";

const SHOWN = 8;
// What their words say to type, the page of the devices has buttons for.
const ABOUT_DEVICES = new Set(["device-added", "device-removed"]);

export function Notices() {
  const answer = useAnswer(
    "notices",
    () => get<Notice[]>("/v1/notices"),
    (event) => event.kind === "notice" || event.kind === "conflict",
  );
  const found = [...(answer.value ?? [])].sort((a, b) => b.at - a.at);
  if (found.length === 0) return null;
  return (
    <section aria-labelledby="notices">
      <h2 id="notices">Notices of this week</h2>
      <ul class="notices">
        {found.slice(0, SHOWN).map((one) => (
          <NoticeItem key={one.number} notice={one} onChange={answer.reload} />
        ))}
      </ul>
      {found.length > SHOWN && (
        <details>
          <summary>{(found.length - SHOWN).toLocaleString("en")} older ones</summary>
          <ul class="notices">
            {found.slice(SHOWN).map((one) => (
              <NoticeItem key={one.number} notice={one} onChange={answer.reload} />
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function NoticeItem({ notice, onChange }: { notice: Notice; onChange: () => void }) {
  const folder = status.value?.folders.find((one) => one.label === notice.folder);
  return (
    <li>
      <p>
        <time dateTime={new Date(notice.at * 1000).toISOString()} title={moment(notice.at)} class="quiet">
          {ago(notice.at, now.value)}
        </time>{" "}
        <Name text={notice.folder} />
        {notice.path && (
          <>
            {" / "}
            {folder ? (
              <a href={to("file", folder.id, notice.path)}>
                <Name text={notice.path} />
              </a>
            ) : (
              <Name text={notice.path} />
            )}
          </>
        )}
        : <Words text={notice.text} />
      </p>
      {(notice.can_be_brought_back || notice.can_be_settled || ABOUT_DEVICES.has(notice.kind)) && (
        <div class="buttons">
          {notice.can_be_brought_back && (
            <Act
              about={notice.path}
              onAct={async () => {
                await post("/v1/notices/restore", { number: notice.number });
                onChange();
                return "It is back.";
              }}
            >
              Bring it back
            </Act>
          )}
          {notice.can_be_settled && folder && (
            <a class="button" href={to("folder", folder.id, "conflicts")}>
              See both versions
            </a>
          )}
          {ABOUT_DEVICES.has(notice.kind) && (
            <a class="button" href={to("devices")}>
              See the devices
              <About text={notice.text} />
            </a>
          )}
        </div>
      )}
    </li>
  );
}
