// Which view an address shows, by its first part.

import type { FunctionComponent } from "preact";

export const VIEWS: Record<string, FunctionComponent<{ parts: string[] }>> = {};
