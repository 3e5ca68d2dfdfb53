// The page: what is shown depends on the session first, then on the address.

import { render } from "preact";
import { open, session } from "./session";
import { follow } from "./live";
import { keepFocus } from "./parts/focus";
import { Closed, Shell } from "./shell";

function Page() {
  if (session.value === "closed") return <Closed />;
  return <Shell />;
}

const place = document.getElementById("page");
if (place) {
  place.replaceChildren();
  render(<Page />, place);
  keepFocus(place);
}
await open();
if (session.value === "open") void follow();
