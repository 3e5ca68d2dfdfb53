// One file: its history with what each version changed, who wrote which line, the text to read, and the editor.

import { useEffect, useRef, useState } from "preact/hooks";
import { post, sentence } from "../api";
import { status } from "../live";
import type { Folder, Happening } from "../answers";
import { size } from "../words";
import { printable } from "../names";
import { Act, Problem, useAct } from "../parts/act";
import { Answered, useAnswer } from "../parts/answer";
import { Dialog } from "../parts/dialog";
import { Name, Path } from "../parts/name";
import { Names } from "../parts/names-list";
import { Diff, Text, Time } from "../parts/texts";
import { Title } from "../parts/title";
import { LazyEditor } from "../editor/lazy";
import { to } from "../route";
import { mayWrite } from "../session";

interface Version {
  version: number | null;
  at: number;
  devices: string[];
  added?: number;
  removed?: number;
  line?: { number: number; text: string; removed: boolean } | null;
  bytes?: number | null;
  here?: boolean;
  trash?: string | null;
}

interface Log {
  path: string;
  kind: string;
  deleted: boolean;
  can_undo?: boolean;
  can_redo?: boolean;
  names: { path: string; until: number; device: string }[];
  versions: Version[];
}

interface PartProps {
  folder: Folder;
  path: string;
  log: Log;
}

export function FileView({ parts }: { parts: string[] }) {
  const [id = "", path = "", part = "history"] = parts;
  const found = status.value;
  if (!found) return <p class="starting">Asking yp2p…</p>;
  const folder = found.folders.find((one) => one.id === id);
  if (!folder) {
    return (
      <>
        <Title text="This folder is not here" />
        <p>
          <a href={to()}>To the overview</a>
        </p>
      </>
    );
  }
  // The address of an editor may come from a page that could write: where nothing can be written, the text is read.
  const shown = part === "edit" && !mayWrite.value ? "read" : part;
  return <File key={`${id}/${path}`} folder={folder} path={path} part={shown} deviceName={found.device.name} />;
}

function isOf(folder: Folder, path: string): (event: Happening) => boolean {
  return (event) =>
    event.kind === "file" && event["folder"] === folder.id && (event["path"] === path || event["was"] === path);
}

function File({ folder, path, part, deviceName }: { folder: Folder; path: string; part: string; deviceName: string }) {
  const answer = useAnswer(
    `${folder.id}/${path}`,
    () => post<Log>("/v1/history/log", { path: `${folder.path}/${path}` }),
    isOf(folder, path),
  );
  const isText = answer.value?.kind === "text";
  const isThere = isText && !answer.value?.deleted;
  const tabs: [string, string][] = [
    ...(isThere ? ([["read", "Read"]] as [string, string][]) : []),
    ...(isThere && mayWrite.value ? ([["edit", "Edit"]] as [string, string][]) : []),
    ["history", "History"],
    ...(isText ? ([["lines", "Who wrote what"]] as [string, string][]) : []),
  ];
  return (
    <>
      <section class="stack">
        <p>
          <a href={to("folder", folder.id)}>
            <Name text={folder.label} />
          </a>{" "}
          <span class="quiet" aria-hidden="true">
            /
          </span>
        </p>
        <Title text={path}>
          <Path text={path} />
        </Title>
        {answer.value?.deleted && (
          <p class="note">It is deleted. Any version can be brought back: press Restore beside it.</p>
        )}
        {answer.value && answer.value.path !== path && !answer.value.deleted && (
          <p>
            It is called{" "}
            <a href={to("file", folder.id, answer.value.path)}>
              <Name text={answer.value.path} />
            </a>{" "}
            now.
          </p>
        )}
      </section>
      {tabs.length > 1 && (
        <nav class="tabs" aria-label="File">
          {tabs.map(([key, name]) => (
            <a key={key} href={to("file", folder.id, path, key)} aria-current={key === part ? "page" : undefined}>
              {name}
            </a>
          ))}
        </nav>
      )}
      {part === "edit" ? (
        // It says itself what becomes of the file, and keeps what is typed whatever the answers here are.
        <LazyEditor folder={folder.id} root={folder.path} path={path} deviceName={deviceName} />
      ) : (
        <Answered answer={answer}>{(log) => <FilePart folder={folder} path={path} part={part} log={log} />}</Answered>
      )}
    </>
  );
}

function FilePart({ folder, path, part, log }: PartProps & { part: string }) {
  const isText = log.kind === "text";
  if (isText && part === "lines") return <Lines folder={folder} path={path} />;
  if (isText && !log.deleted && part === "read") return <Read folder={folder} path={path} />;
  return <History folder={folder} path={path} log={log} />;
}

function History({ folder, path, log }: PartProps) {
  const versions = [...log.versions].reverse();
  return (
    <section class="stack">
      <div class="section-head">
        <h2>Versions on this device</h2>
        {log.kind === "text" && !log.deleted && <UndoRedo folder={folder} path={path} log={log} />}
      </div>
      {log.names.length > 0 && (
        <p class="quiet">
          It was called <Names of={log.names.map((one) => one.path)} /> before.
        </p>
      )}
      {versions.length === 0 && <p class="quiet">This device has none.</p>}
      <ol class="lines versions">
        {versions.map((version, index) => (
          <VersionItem
            key={version.version ?? version.at}
            folder={folder}
            path={path}
            version={version}
            before={versions[index + 1]}
            isNow={index === 0 && !log.deleted}
          />
        ))}
      </ol>
    </section>
  );
}

/** What there is to take back or to do again; an error of one is over once the other was done. */
function UndoRedo({ folder, path, log }: PartProps) {
  const { isActing, problem, act } = useAct();
  const turn = (route: string, told: string) => (): void =>
    void act(async () => {
      await post(route, { path: `${folder.path}/${path}` });
      return told;
    });
  return (
    <span class="act changing">
      <span class="buttons">
        {log.can_undo && (
          <button
            type="button"
            aria-disabled={isActing}
            onClick={turn("/v1/undo", "The last change of this device is taken back.")}
          >
            Undo this device’s last change
          </button>
        )}
        {log.can_redo && (
          <button type="button" aria-disabled={isActing} onClick={turn("/v1/redo", "It is done again.")}>
            Redo
          </button>
        )}
      </span>
      <Problem text={problem} />
    </span>
  );
}

interface VersionProps {
  folder: Folder;
  path: string;
  version: Version;
  before: Version | undefined;
  isNow: boolean;
}

function VersionItem({ folder, path, version, before, isNow }: VersionProps) {
  const [isShown, setShown] = useState(false);
  const [isRestoring, setRestoring] = useState(false);
  const isText = version.version !== null;
  return (
    <li>
      <div>
        <p>
          <strong>
            <Time at={version.at} />
          </strong>{" "}
          by <Names of={version.devices} />
          {isText && (
            <>
              {" "}
              <Amounts version={version} />
            </>
          )}
          {version.bytes != null && <span class="quiet"> {size(version.bytes)}</span>}
          {(isNow || version.here) && <span class="tag">now</span>}
        </p>
        {version.line && (
          <p class="quiet one-line">
            Line {version.line.number}
            {version.line.removed ? " removed: " : ": "}
            <Name text={version.line.text} />
          </p>
        )}
      </div>
      <span class="buttons">
        {isText && (
          <button type="button" aria-expanded={isShown} onClick={() => setShown(!isShown)}>
            {isShown ? "Hide" : "What changed"}
          </button>
        )}
        {isText && !isNow && (
          <button type="button" class="changing" onClick={() => setRestoring(true)}>
            Restore…
          </button>
        )}
        {version.trash && !version.here && <FromTrash folder={folder} path={path} item={version.trash} />}
      </span>
      {isShown && <WhatChanged folder={folder} path={path} version={version} before={before} />}
      {isRestoring && (
        <RestoreDialog folder={folder} path={path} version={version} onClose={() => setRestoring(false)} />
      )}
    </li>
  );
}

function Amounts({ version }: { version: Version }) {
  return (
    <span class="amounts">
      <span class="added">+{(version.added ?? 0).toLocaleString("en")}</span>{" "}
      <span class="removed">−{(version.removed ?? 0).toLocaleString("en")}</span> <span class="quiet">characters</span>
    </span>
  );
}

function FromTrash({ folder, path, item }: { folder: Folder; path: string; item: string }) {
  return (
    <Act
      onAct={async () => {
        await post("/v1/trash/restore", { folder: folder.id, names: [item] });
        return `${printable(path)} is back.`;
      }}
    >
      Restore
    </Act>
  );
}

function WhatChanged({ folder, path, version, before }: Omit<VersionProps, "isNow">) {
  const body = { path: `${folder.path}/${path}` };
  const answer = useAnswer(
    `${version.version}`,
    async () => {
      if (before?.version == null) {
        const { text } = await post<{ text: string }>("/v1/history/show", {
          ...body,
          when: { version: version.version },
        });
        return { text, diff: null };
      }
      const { diff } = await post<{ diff: string[] }>("/v1/history/diff", {
        ...body,
        one: { version: before.version },
        two: { version: version.version },
      });
      return { text: "", diff };
    },
    () => false,
  );
  return (
    <div class="whole">
      <Answered answer={answer}>
        {({ text, diff }) =>
          diff === null ? <Text text={text} label="The first version" /> : <Diff lines={diff} label="What changed" />
        }
      </Answered>
    </div>
  );
}

function RestoreDialog({
  folder,
  path,
  version,
  onClose,
}: Pick<VersionProps, "folder" | "path" | "version"> & { onClose: () => void }) {
  const body = { path: `${folder.path}/${path}` };
  const answer = useAnswer(
    `${version.version}`,
    () => post<{ text: string }>("/v1/history/show", { ...body, when: { version: version.version } }),
    () => false,
  );
  return (
    <Dialog
      title={
        <>
          Restore the version of <Time at={version.at} />?
        </>
      }
      does="Restore"
      onClose={onClose}
      onAct={async () => {
        await post("/v1/history/restore", { ...body, when: { version: version.version } });
        return `${printable(path)} is what it was.`;
      }}
    >
      <p>On all devices, as an edit of now. What is there now stays in the history.</p>
      <Answered answer={answer}>{({ text }) => <Text text={text} label="The text as it was" />}</Answered>
    </Dialog>
  );
}

interface BlameLine {
  text: string;
  device: string | null;
  at: number | null;
  version: number | null;
}

const HUES = 6;

function Lines({ folder, path }: { folder: Folder; path: string }) {
  const answer = useAnswer(
    `${folder.id}/${path}`,
    () => post<{ lines: BlameLine[] }>("/v1/history/blame", { path: `${folder.path}/${path}` }),
    isOf(folder, path),
  );
  return (
    <section class="stack">
      <h2>Who wrote which line</h2>
      <Answered answer={answer}>
        {({ lines }) => {
          const devices = [...new Set(lines.map((line) => line.device ?? ""))].sort();
          return (
            <div class="text blame" role="group" aria-label="Lines and who wrote them" tabIndex={0}>
              {lines.map((line, index) => {
                const before = lines[index - 1];
                const isNew = before?.device !== line.device || before?.version !== line.version;
                return (
                  <div
                    key={index}
                    class={`blame-line hue-${devices.indexOf(line.device ?? "") % HUES} ${isNew ? "first" : ""}`}
                  >
                    <span class="author">
                      {isNew && (
                        <>
                          <Name text={line.device ?? "not known"} />
                          {line.at !== null && (
                            <span class="quiet">
                              {" "}
                              <Time at={line.at} />
                            </span>
                          )}
                        </>
                      )}
                    </span>
                    <span class="number quiet">{index + 1}</span>
                    <span class="content">{printable(line.text.replace(/\r?\n$/, "").replaceAll("\t", "    "))}</span>
                  </div>
                );
              })}
            </div>
          );
        }}
      </Answered>
    </section>
  );
}

function Read({ folder, path }: { folder: Folder; path: string }) {
  const answer = useAnswer(
    `${folder.id}/${path}`,
    () => post<{ text: string }>("/v1/history/show", { path: `${folder.path}/${path}` }),
    isOf(folder, path),
  );
  return (
    <section class="stack">
      <Answered answer={answer}>
        {({ text }) =>
          /\.(md|markdown)$/i.test(path) ? (
            <Preview text={text} />
          ) : (
            <Text text={text} label={`The text of ${printable(path)}`} />
          )
        }
      </Answered>
    </section>
  );
}

/** Markdown as it is meant to look. What shows it is loaded now. */
function Preview({ text }: { text: string }) {
  const place = useRef<HTMLDivElement>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    let isOurs = true;
    import("../editor/preview").then(
      ({ preview }) => isOurs && place.current?.replaceChildren(preview(text)),
      (error: unknown) => setProblem(sentence(error)),
    );
    return () => {
      isOurs = false;
    };
  }, [text]);
  return (
    <>
      <Problem text={problem} />
      <div ref={place} class="preview card" />
    </>
  );
}
