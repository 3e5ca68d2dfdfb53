// Which view an address shows, by its first part.

import type { FunctionComponent } from "preact";
import { Accept, Join, Share } from "./begin";
import { Changes } from "./changes";
import { Devices } from "./devices";
import { FileView } from "./file";
import { FolderView } from "./folder";
import { Settings } from "./settings";

export const VIEWS: Record<string, FunctionComponent<{ parts: string[] }>> = {
  accept: Accept,
  changes: Changes,
  devices: Devices,
  file: FileView,
  folder: FolderView,
  join: Join,
  settings: Settings,
  share: Share,
};
