export function findChromium(): string | undefined;
export function chromiumArguments(): string[];
export function ensureChromium(): void;
