// What a button or link is about, for who does not see where it stands: behind its own words.

import { Name } from "./name";

export function About({ text }: { text: string }) {
  return (
    <span class="unseen">
      {" "}
      (<Name text={text} />)
    </span>
  );
}
