/**
 * Finding the device in what somebody pasted: a bare `nvme,…`, one `-device nvme,…`, or whole command lines
 * (qemu-img, qemu-system) with quotes, comments and continued lines.
 */

/** What was found, and what was left aside. */
export interface FoundWords {
  /** Driver and options of each device, as between `-device` and the next word: `nvme,serial=deadbeef,…`. */
  readonly devices: readonly string[];
  /** The options of `qemu-img create -f ocssd -o …`; undefined where no such image is made. */
  readonly image: string | undefined;
  /** Other words of the command line, in order. */
  readonly ignored: readonly string[];
  readonly sawDeviceWord: boolean;
}

export type WordsResult =
  ({ readonly ok: true } & FoundWords) | { readonly ok: false; readonly error: string };

/** Names that begin a device of this lab or of its relatives. */
const DRIVER = /^(driver=)?(nvme|ocssd|femu)[\w-]*(,|$)/i;

/** Longer than any command line; what is beyond is no device line. */
const MAX_CHARS = 65_536;

/**
 * Splits as a POSIX shell does, forgiving what web pages do to text: curly quotes, dashes for hyphens,
 * non-breaking spaces. Text from a word-initial # to the end of its line is a comment.
 */
export function shellWords(text: string): string[] {
  const plain = text
    .replace(/\r\n?/g, '\n')
    .replace(/\\[ \t]*\n/g, '')
    .replace(/[“”„]/g, '"')
    .replace(/[‘’]/g, "'")
    .replace(/(^|\s)[‐-―−]+(?=[a-z])/g, '$1-')
    .replace(/[^\S\n]/g, ' ');
  const words: string[] = [];
  let word = '';
  let inWord = false;
  let quote = '';
  const end = (): void => {
    if (inWord) words.push(word);
    word = '';
    inWord = false;
  };
  for (let i = 0; i < plain.length; i += 1) {
    const char = plain.charAt(i);
    if (quote !== '') {
      if (char === quote) quote = '';
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      inWord = true;
    } else if (/[\s;&|]/.test(char)) {
      end();
    } else if (char === '#' && !inWord) {
      while (i + 1 < plain.length && plain.charAt(i + 1) !== '\n') i += 1;
    } else if (char === '\\' && i + 1 === plain.length) {
      // A continuation with nothing after it: the paste ended early.
    } else {
      word += char;
      inWord = true;
    }
  }
  end();
  return words;
}

/** Every device and image in the text that this lab or a relative of it might mean. */
export function findDevices(text: string): WordsResult {
  if (text.length > MAX_CHARS) {
    return {
      ok: false,
      error: `The line has ${text.length} characters, which no device line has: paste only the part after -device, as in nvme,serial=deadbeef,lver=1.`,
    };
  }
  const { words, image } = takeImage(joinAtCommas(shellWords(text)));
  const sawDeviceWord = words.some((word) => word === '-device' || word === '--device');
  const devices: string[] = [];
  const ignored: string[] = [];
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? '';
    const isDevice = sawDeviceWord
      ? /^--?device$/.test(words[i - 1] ?? '')
      : devices.length === 0 || /^ocssd-ns,/i.test(word);
    if (isDevice && DRIVER.test(word)) devices.push(word);
    else if (!/^--?device$/.test(word)) ignored.push(word);
  }
  return { ok: true, sawDeviceWord, devices, image, ignored };
}

/** Takes a `qemu-img create -f ocssd` out of the words: its options, and the name of its file. */
function takeImage(words: readonly string[]): {
  readonly words: readonly string[];
  readonly image: string | undefined;
} {
  const start = words.findIndex((word) => /(^|\/)qemu-img$/.test(word));
  if (start < 0 || words[start + 1] !== 'create') return { words, image: undefined };
  const options: string[] = [];
  let isOcssd = false;
  let files = 0;
  let end = start + 2;
  for (; end < words.length; end += 1) {
    const word = words[end] ?? '';
    const [, name = '', joined] = /^(-[fo]|--format|--options)(?:=?(.+))?$/.exec(word) ?? [];
    if (name !== '') {
      const value = joined ?? words[(end += 1)] ?? '';
      if (/^-?-f/.test(name)) isOcssd = value === 'ocssd';
      else options.push(value);
    } else if (word === '-q' || /^\d[\d.]*[kmgt]?$/i.test(word)) {
      // Quiet, or a size, which an ocssd image does not take.
    } else if (word.startsWith('-') || files > 0 || DRIVER.test(word) || /qemu-system/.test(word)) {
      break;
    } else {
      files += 1;
    }
  }
  if (!isOcssd) return { words, image: undefined };
  return { words: [...words.slice(0, start), ...words.slice(end)], image: options.join(',') };
}

/**
 * Puts together options that spaces or line breaks tore apart: around a comma, around an equals sign, or
 * between `name=value` words that follow a device without a comma.
 */
function joinAtCommas(words: readonly string[]): string[] {
  const joined: string[] = [];
  for (const word of words) {
    const last = joined.at(-1);
    if (last === undefined || last.startsWith('-') || word.startsWith('-')) {
      joined.push(word);
      continue;
    }
    const option = /^[a-z]\w*(=|$)/i.test(word);
    const inDevice = DRIVER.test(last);
    if (word.startsWith(',') || word.startsWith('=') || (last.endsWith(',') && option)) {
      joined[joined.length - 1] = last + word;
    } else if (inDevice && last.endsWith('=') && /^[^=,./]+(,|$)/.test(word)) {
      joined[joined.length - 1] = last + word;
    } else if (inDevice && /^[a-z]\w*=/i.test(word)) {
      joined[joined.length - 1] = `${last},${word}`;
    } else {
      joined.push(word);
    }
  }
  return joined;
}

/** One `name=value` of the list, in order; a name alone has no value. */
export interface GivenOption {
  readonly name: string;
  readonly value: string | undefined;
}

/** Splits at commas; two commas are one in a value (QEMU, util/qemu-option.c get_opt_value). */
export function splitOptions(body: string): {
  readonly driver: string;
  readonly options: readonly GivenOption[];
} {
  const parts: string[] = [''];
  for (let i = 0; i < body.length; i += 1) {
    const char = body.charAt(i);
    if (char !== ',') parts[parts.length - 1] = (parts.at(-1) ?? '') + char;
    else if (body.charAt(i + 1) === ',') {
      parts[parts.length - 1] = `${parts.at(-1) ?? ''},`;
      i += 1;
    } else parts.push('');
  }
  const [first = '', ...rest] = parts;
  const options = rest
    .filter((part) => part.trim() !== '')
    .map((part): GivenOption => {
      const at = part.indexOf('=');
      return at < 0
        ? { name: part.trim(), value: undefined }
        : { name: part.slice(0, at).trim(), value: part.slice(at + 1).trim() };
    });
  return { driver: first.replace(/^driver=/i, '').trim(), options };
}
