/** Reads the `format` files of tracefs: where a field lies in an event, and an event's number. */

export interface Field {
  readonly offset: number;
  readonly size: number;
  readonly signed: boolean;
}

export interface EventFormat {
  readonly id: number;
  readonly fields: ReadonlyMap<string, Field>;
}

const MAX_FIELDS = 64;
/** An event is smaller than a page of the ring buffer. */
const MAX_OFFSET = 4096;

/** Fields of a `format` or `header_page` file; lines that are none are skipped. */
export function parseFields(text: string): Map<string, Field> {
  const fields = new Map<string, Field>();
  for (const line of text.split('\n')) {
    const found = /^\s*field:([^;]*);\s*offset:(\d{1,5});\s*size:(\d{1,5});(?:\s*signed:([01]);)?/.exec(line);
    if (found === null) continue;
    // "unsigned char common_flags", "char rwbs[8]", "__data_loc char[] name"
    const name = /(\w+)(?:\[[^\]]*\])?\s*$/.exec(found[1] ?? '')?.[1];
    const offset = Number(found[2]);
    const size = Number(found[3]);
    if (name === undefined || offset + size > MAX_OFFSET) continue;
    fields.set(name, { offset, size, signed: found[4] === '1' });
    if (fields.size === MAX_FIELDS) break;
  }
  return fields;
}

/** Undefined when the text is not the format of an event. */
export function parseFormat(text: string): EventFormat | undefined {
  const id = /^ID: (\d{1,5})$/m.exec(text)?.[1];
  if (id === undefined) return undefined;
  return { id: Number(id), fields: parseFields(text) };
}
