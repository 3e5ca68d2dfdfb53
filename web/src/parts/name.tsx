// A name of a device, folder or file, or a text of others: never markup, isolated, with hidden characters shown.

import { pieces } from "../names";

export function Name({ text }: { text: string }) {
  return (
    <bdi class="name">
      {pieces(text).map((piece) => (piece.isWrittenOut ? <span class="written-out">{piece.text}</span> : piece.text))}
    </bdi>
  );
}

/** A path: its directory is less loud than its last part. */
export function Path({ text }: { text: string }) {
  const cut = text.replace(/\/$/, "").lastIndexOf("/") + 1;
  return (
    <bdi class="path">
      {cut > 0 && (
        <span class="directory">
          <Name text={text.slice(0, cut)} />
        </span>
      )}
      <Name text={text.slice(cut)} />
    </bdi>
  );
}
