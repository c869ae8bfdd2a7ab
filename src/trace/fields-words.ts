import type { Names } from '../spec/command-names.ts';

export {
  badBlockNames,
  cnsNames,
  commandTitle,
  featureNames,
  hexH,
  logNames,
} from '../spec/command-names.ts';

/** Says a value by its name. */
export const namedValue =
  (names: Names) =>
  (value: number): string =>
    names.get(value) ?? '';
