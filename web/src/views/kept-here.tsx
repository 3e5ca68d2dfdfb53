// What a device that only reads has changed for itself: it is on no other device, and can be had as all have it.

import { useState } from "preact/hooks";
import { post } from "../api";
import type { Folder } from "../answers";
import { plural } from "../words";
import { printable } from "../names";
import { Dialog } from "../parts/dialog";
import { Path } from "../parts/name";

const MOST_NAMED = 3;

interface Reverted {
  reverted: { path: string; kept: string | null }[];
  skipped: { path: string; reason: string }[];
}

export function KeptHere({ folder }: { folder: Folder }) {
  const [isAsking, setAsking] = useState(false);
  if (!folder.is_reader || folder.local_changes.length === 0) return null;
  return (
    <div class="buttons changing">
      <button type="button" onClick={() => setAsking(true)}>
        Bring back what all have…
      </button>
      {isAsking && <RevertDialog folder={folder} onClose={() => setAsking(false)} />}
    </div>
  );
}

function RevertDialog({ folder, onClose }: { folder: Folder; onClose: () => void }) {
  const [withAdded, setWithAdded] = useState(false);
  const changes = folder.local_changes;
  const added = changes.filter((one) => one.change === "added");
  const chosen = withAdded ? changes : changes.filter((one) => one.change !== "added");
  return (
    <Dialog
      title="Bring back what all have?"
      does="Bring it back"
      isReady={chosen.length > 0}
      onClose={onClose}
      onAct={async () => {
        // Without names it is all but what was only added.
        const names = withAdded ? changes.map((one) => one.path) : [];
        return told(await post<Reverted>("/v1/revert", { folder: folder.id, names }));
      }}
    >
      <p>What was changed here, on this device only. Files that were changed go to the trash.</p>
      <ul class="lines">
        {changes.map((one) => (
          <li key={one.path}>
            <span>
              <Path text={one.path} />{" "}
              <span class="quiet">
                {one.change}
                {one.change === "added" && !withAdded && ", stays"}
              </span>
            </span>
          </li>
        ))}
      </ul>
      {added.length > 0 && (
        <label class="line">
          <input type="checkbox" checked={withAdded} onChange={(event) => setWithAdded(event.currentTarget.checked)} />
          Also put {plural(added.length, "file")} that {added.length === 1 ? "was" : "were"} only added into the trash
        </label>
      )}
    </Dialog>
  );
}

function told({ reverted, skipped }: Reverted): string {
  const done = `${plural(reverted.length, "file is", "files are")} as all have ${reverted.length === 1 ? "it" : "them"}.`;
  if (skipped.length === 0) return done;
  const named = skipped.slice(0, MOST_NAMED).map((one) => `${printable(one.path)} (${printable(one.reason)})`);
  return `${done} Not ${plural(skipped.length, "file")}: ${named.join(", ")}.`;
}
