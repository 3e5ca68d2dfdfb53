// What of a folder is on this disk: everything, or only what a person chose.

import { About } from "../parts/about";
import { useState } from "preact/hooks";
import { post } from "../api";
import type { Folder } from "../answers";
import { plural } from "../words";
import { Problem, useAct } from "../parts/act";
import { Answered, useAnswer } from "../parts/answer";
import { Name } from "../parts/name";

interface Chosen {
  everything: boolean;
  paths: string[];
  not_here: number;
  leaving: number;
}

export function OnThisDisk({ folder }: { folder: Folder }) {
  const isAbout = (event: { kind: string; folder?: unknown }): boolean =>
    event.kind === "folder" && event.folder === folder.id;
  const answer = useAnswer(folder.id, () => post<Chosen>("/v1/folder/choose", { folder: folder.id }), isAbout);
  return (
    <section class="stack">
      <h2>What is on this disk</h2>
      <p>The other files stay on the other devices: their names are known here, and they come when you choose them.</p>
      <Answered answer={answer}>
        {(chosen) => (
          <>
            {(chosen.not_here > 0 || chosen.leaving > 0) && (
              <p role="status">
                {plural(chosen.not_here, "file")} not on this disk.
                {chosen.leaving > 0 &&
                  ` ${plural(chosen.leaving, "file")} still here, until a connected device says that it has them.`}
              </p>
            )}
            <Choose key={JSON.stringify(chosen.paths)} folder={folder} chosen={chosen} onChange={answer.reload} />
          </>
        )}
      </Answered>
    </section>
  );
}

function Choose({ folder, chosen, onChange }: { folder: Folder; chosen: Chosen; onChange: () => void }) {
  const [everything, setEverything] = useState(chosen.everything);
  const [paths, setPaths] = useState(new Set(chosen.paths));
  const { isActing, problem, act } = useAct();
  function toggle(path: string, isOn: boolean): void {
    const next = new Set(paths);
    if (isOn) next.add(path);
    else next.delete(path);
    setPaths(next);
  }
  async function choose(): Promise<string> {
    await post("/v1/folder/choose", { folder: folder.id, paths: everything ? [] : [...paths] });
    onChange();
    return everything
      ? "Everything comes to this disk."
      : "This disk has what you chose; the rest goes once another device has it.";
  }
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void act(choose);
      }}
    >
      <fieldset>
        <legend class="unseen">What is on this disk</legend>
        <label class="line">
          <input type="radio" name="choose" checked={everything} onChange={() => setEverything(true)} />
          Everything
        </label>
        <label class="line">
          <input type="radio" name="choose" checked={!everything} onChange={() => setEverything(false)} />
          Only these
        </label>
      </fieldset>
      {!everything && <Branch folder={folder} beneath="" paths={paths} onToggle={toggle} />}
      <Problem text={problem} />
      <div class="buttons">
        <button type="submit" class="main" disabled={!everything && paths.size === 0} aria-busy={isActing}>
          {everything ? "Have everything here" : "Have only these here"}
        </button>
      </div>
    </form>
  );
}

interface BranchProps {
  folder: Folder;
  beneath: string;
  paths: Set<string>;
  onToggle: (path: string, isOn: boolean) => void;
}

function Branch({ folder, beneath, paths, onToggle }: BranchProps) {
  const answer = useAnswer(
    `${folder.id}/${beneath}`,
    () => post<string[]>("/v1/folder/names", { folder: folder.id, beneath }),
    () => false,
  );
  return (
    <Answered answer={answer}>
      {(names) => (
        <ul class="branch">
          {names.map((name) => (
            <Leaf key={name} folder={folder} beneath={beneath} name={name} paths={paths} onToggle={onToggle} />
          ))}
        </ul>
      )}
    </Answered>
  );
}

function Leaf({ folder, beneath, name, paths, onToggle }: BranchProps & { name: string }) {
  const [isOpen, setOpen] = useState(false);
  const isDirectory = name.endsWith("/");
  const short = name.replace(/\/$/, "");
  const path = beneath && !short.startsWith(`${beneath}/`) ? `${beneath}/${short}` : short;
  return (
    <li>
      <span class="leaf">
        <label class="line">
          <input
            type="checkbox"
            checked={paths.has(path)}
            onChange={(event) => onToggle(path, event.currentTarget.checked)}
          />
          <Name text={beneath && name.startsWith(`${beneath}/`) ? name.slice(beneath.length + 1) : name} />
        </label>
        {isDirectory && (
          <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            {isOpen ? "Close" : "Open"}
            <About text={name} />
          </button>
        )}
      </span>
      {isOpen && <Branch folder={folder} beneath={path} paths={paths} onToggle={onToggle} />}
    </li>
  );
}
