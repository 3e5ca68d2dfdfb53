// What waits for a person: decisions first, then what one should know of. Nothing where all is well.

import type { ComponentChildren } from "preact";
import { post } from "../api";
import type { Folder, ReceivedOffer, Status } from "../answers";
import { Act } from "../parts/act";
import { Name } from "../parts/name";
import { Words } from "../parts/words-of-daemon";
import { duration, plural } from "../words";
import { to } from "../route";

const SHOWN = 5;

export function Decisions({ status }: { status: Status }) {
  const offers = status.offers.received.filter((offer) => offer.decision === "none");
  const found = [...status.folders.flatMap(decisions), ...offers.map((offer) => <Offer offer={offer} />)];
  return <List id="decisions" title="For you to decide" items={found} />;
}

export function WorthKnowing({ status }: { status: Status }) {
  return (
    <List id="knowing" title="Worth knowing" items={[...status.folders.flatMap(worthKnowing), ...ofDevice(status)]} />
  );
}

function List({ id, title, items }: { id: string; title: string; items: ComponentChildren[] }) {
  if (items.length === 0) return null;
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <ul class={`questions ${id}`}>
        {items.map((one, index) => (
          <li key={index}>{one}</li>
        ))}
      </ul>
    </section>
  );
}

function decisions(folder: Folder): ComponentChildren[] {
  const found: ComponentChildren[] = [];
  if (folder.awaiting_confirmation) found.push(<MassDeletion folder={folder} />);
  if (folder.rules_waiting) found.push(<Rules folder={folder} />);
  const conflicts = folder.entries.conflicts + folder.entries.places_to_settle;
  if (conflicts > 0) {
    found.push(
      <p>
        <a href={to("folder", folder.id, "conflicts")}>
          {plural(conflicts, "conflict")} in <Name text={folder.label} />
        </a>
        : two devices changed the same lines, or the same file, while they were apart. Nothing is lost; see both and
        decide.
      </p>,
    );
  }
  for (const one of folder.purges)
    if (!one.is_own && one.answer === "waits") found.push(<Purge folder={folder} one={one} />);
  return found;
}

function MassDeletion({ folder }: { folder: Folder }) {
  const body = { folder: folder.id };
  return (
    <>
      <p>
        <Name text={folder.label} />: <Words text={folder.problem} />. Nothing is deleted or written here until you say
        what is right.
      </p>
      <div class="buttons">
        <Act
          kind="main"
          onAct={async () => {
            await post("/v1/folder/restore", body);
            return "It is undone, on all devices.";
          }}
        >
          Undo it, on all devices
        </Act>
        <Act
          kind="danger"
          onAct={async () => {
            await post("/v1/folder/confirm", body);
            return "It is done, on all devices.";
          }}
        >
          It was meant: do it on all devices
        </Act>
      </div>
    </>
  );
}

function Rules({ folder }: { folder: Folder }) {
  return (
    <>
      <p>
        <Name text={folder.label} />: <Words text={folder.rules_waiting} />. It is ignored here until you agree.
      </p>
      <div class="buttons">
        <Act
          kind="main"
          onAct={async () => {
            await post("/v1/agree", { folder: folder.id });
            return "Less is ignored here from now on.";
          }}
        >
          Agree
        </Act>
      </div>
    </>
  );
}

function Purge({ folder, one }: { folder: Folder; one: Folder["purges"][number] }) {
  const answer = async (agree: boolean): Promise<string> => {
    await post("/v1/purge/answer", { number: one.number, agree });
    return agree ? "The past of these files is removed here." : "The past of these files stays here.";
  };
  return (
    <>
      <p>
        <Name text={one.device} /> asks to remove the past of{" "}
        {one.paths.length > 0
          ? one.paths.slice(0, SHOWN).map((path) => <Name key={path} text={path} />)
          : "files that are not here"}{" "}
        (<Name text={folder.label} />
        ).{one.done_in_s !== null && ` Without an answer it is done in ${duration(one.done_in_s)}.`}
      </p>
      <div class="buttons">
        <Act kind="danger" onAct={() => answer(true)}>
          Remove it now
        </Act>
        <Act onAct={() => answer(false)}>Keep it</Act>
      </div>
    </>
  );
}

function Offer({ offer }: { offer: ReceivedOffer }) {
  return (
    <>
      <p>
        <Name text={offer.name} /> offers the folder{" "}
        <strong>
          <Name text={offer.label} />
        </strong>
        {offer.role === "reader" ? ", to read only." : "."}
      </p>
      <div class="buttons">
        <a class="button main changing" href={to("accept", offer.label, offer.device)}>
          Accept…
        </a>
        <Act
          onAct={async () => {
            await post("/v1/folder/decline", { name: offer.label, device: offer.device });
            return "Declined.";
          }}
        >
          Decline
        </Act>
      </div>
    </>
  );
}

function worthKnowing(folder: Folder): ComponentChildren[] {
  const found: ComponentChildren[] = [];
  const about = (
    <a href={to("folder", folder.id)}>
      <Name text={folder.label} />
    </a>
  );
  const list = (title: string, items: string[]): void => {
    if (items.length > 0) found.push(<Items about={about} title={title} items={items} />);
  };
  if (folder.problem && !folder.awaiting_confirmation && !folder.paused)
    found.push(
      <p>
        {about}: <Words text={folder.problem} />
      </p>,
    );
  const damaged = folder.scrub?.damaged ?? [];
  list(
    "damaged on this disk, and on no device that is connected: put a copy in its place, or bring a device that has it",
    damaged.map((one) => one.path),
  );
  list(
    "not synced",
    folder.not_synced.map((one) => `${one.path} (${one.reason})`),
  );
  list(
    "waiting",
    folder.waiting.map((one) => `${one.path} (${one.reason})`),
  );
  if (folder.is_reader)
    list(
      "changed here only, as this device only reads",
      folder.local_changes.map((one) => `${one.path} (${one.change})`),
    );
  list(
    "not exchanged for a while, as damaged data came",
    folder.quarantined.map((one) => `${one.path ?? one.document} with ${one.device}, for ${duration(one.retry_in_s)}`),
  );
  return found;
}

function Items({ about, title, items }: { about: ComponentChildren; title: string; items: string[] }) {
  return (
    <details open={items.length <= SHOWN}>
      <summary>
        {about}: {title}: {items.length.toLocaleString("en")}
      </summary>
      <ul>
        {items.map((item) => (
          <li key={item}>
            <Words text={item} />
          </li>
        ))}
      </ul>
    </details>
  );
}

function ofDevice(status: Status): ComponentChildren[] {
  const found: ComponentChildren[] = status.offers.received
    .filter((offer) => offer.decision === "accept")
    .map((offer) => (
      <p>
        <Name text={offer.label} /> of <Name text={offer.name} /> is accepted, and becomes a folder here once that
        device answers.
        {offer.problem && <Name text={` ${offer.problem}`} />}
      </p>
    ));
  const missing = status.device.missing_addresses.map((address) => (
    <p>yp2p does not listen on {address}: no network has that address yet.</p>
  ));
  found.push(...missing);
  if (status.device.files_wait) found.push(<p>Files wait, as this connection is metered. Texts go on.</p>);
  for (const kept of status.store.damaged) {
    found.push(
      <p>
        The store was damaged, and what could be read of it is used. When nothing is missing, remove{" "}
        <Name text={kept} />.
      </p>,
    );
  }
  for (const one of status.machine)
    found.push(
      <p>
        This machine: <Words text={one} />.
      </p>,
    );
  for (const one of status.settings)
    found.push(
      <p>
        The setting <Name text={one.setting} />: <Words text={one.problem} />
      </p>,
    );
  for (const device of status.devices) {
    const why = device.connected ? device.last_error : device.reason;
    if (device.paused || !why) continue;
    found.push(
      <p>
        <a href={to("devices", device.id)}>
          <Name text={device.name} />
        </a>
        {device.connected ? ": " : " is not connected: "}
        <Words text={why} />
      </p>,
    );
  }
  return found;
}
