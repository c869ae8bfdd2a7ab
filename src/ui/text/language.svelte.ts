import { recall, remember } from '../state/remember.ts';
import { en, type Words } from './en.ts';
import { zhCN } from './zh-CN.ts';

export type LanguageCode = 'en' | 'zh-CN';

const dictionaries: Readonly<Record<LanguageCode, Words>> = { en, 'zh-CN': zhCN };

/** The language of the page: what the reader chose, else what the browser says. */
class Language {
  code = $state<LanguageCode>(initialLanguage());
  readonly t: Words = $derived(dictionaries[this.code]);

  set(code: LanguageCode): void {
    this.code = code;
    remember('language', code);
  }

  toggle(): void {
    this.set(this.code === 'en' ? 'zh-CN' : 'en');
  }
}

function initialLanguage(): LanguageCode {
  const chosen = recall('language');
  if (chosen === 'en' || chosen === 'zh-CN') return chosen;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en';
}

export const language = new Language();
