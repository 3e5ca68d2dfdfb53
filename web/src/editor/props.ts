// What the page gives the editor.

export interface EditorProps {
  /** The ID of the folder. */
  folder: string;
  /** The directory of the folder on this device. */
  root: string;
  /** The path of the text in the folder. */
  path: string;
  /** What this device is called: the name beside one's own cursor on other screens. */
  deviceName: string;
}
