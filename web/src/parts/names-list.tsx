// Names one after the other, as in a sentence.

import { Name } from "./name";

export function Names({ of }: { of: string[] }) {
  return (
    <>
      {of.map((name, index) => (
        <>
          {index > 0 && (index === of.length - 1 ? " and " : ", ")}
          <Name text={name} />
        </>
      ))}
    </>
  );
}
