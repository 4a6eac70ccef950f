/** The pictures of this page, which live as long as it does. */

let born = 0;

/** A picture and what has become of it. */
export class Picture {
  constructor(file, name) {
    this.id = ++born;
    this.file = file;
    this.name = name;
    this.shown = null; // URL of the whole picture, once it was needed
    this.thumbnail = null; // URL of a small copy; null until there is one, and where the browser can't show the picture
    this.state = "waiting"; // reading, writing, done, failed
    this.note = ""; // why it waits, where that needs saying
    this.words = []; // of the best caption, while it is being written
    this.answer = null; // the server's, when done
    this.parameters = null; // that it was asked with
    this.error = null;
    this.edited = null; // the caption in a person's words
    this.chosen = 0; // which of the captions
    this.before = null; // caption and parameters before they were last changed
  }

  /** URL of the whole picture. Made when it is first shown: for a hundred at once it would take too long. */
  get url() {
    this.shown ??= URL.createObjectURL(this.file);
    return this.shown;
  }

  /** The caption as it stands, "" while there is none. */
  get caption() {
    return this.edited ?? this.answer?.captions[this.chosen]?.text ?? "";
  }
}

/**
 * Tells of its pictures by events, whose `detail` is the picture: `added`, `removed`, `changed` (state, caption, or
 * thumbnail), `word` (one more in `words`), `selected` (null: none is left).
 */
class Album extends EventTarget {
  pictures = [];
  selected = null;

  add(files) {
    const added = files.map(({ file, name }) => new Picture(file, name));
    this.pictures.push(...added);
    for (const picture of added) this.tell("added", picture);
    return added;
  }

  remove(picture) {
    const place = this.pictures.indexOf(picture);
    if (place < 0) return;
    this.pictures.splice(place, 1);
    this.tell("removed", picture);
    if (this.selected === picture) this.select(this.pictures[Math.min(place, this.pictures.length - 1)] ?? null);
    if (picture.shown) URL.revokeObjectURL(picture.shown);
    if (picture.thumbnail) URL.revokeObjectURL(picture.thumbnail);
  }

  select(picture) {
    if (this.selected === picture) return;
    this.selected = picture;
    this.tell("selected", picture);
  }

  has(picture) {
    return this.pictures.includes(picture);
  }

  tell(name, picture) {
    this.dispatchEvent(new CustomEvent(name, { detail: picture }));
  }
}

export const album = new Album();
