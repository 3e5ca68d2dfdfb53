// A sentence of the daemon, in which names of others may stand. What it says to type looks like that.

import { Name } from "./name";

export function Words({ text }: { text: string }) {
  const parts = text.split("`");
  if (parts.length % 2 === 0) return <Name text={text} />; // one without its other half is no mark
  return (
    <bdi>
      {parts.map((part, index) =>
        index % 2 === 1 ? (
          <code>
            <Name text={part} />
          </code>
        ) : (
          <Name text={part} />
        ),
      )}
    </bdi>
  );
}
