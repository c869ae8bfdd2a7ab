import { expect, it } from 'vitest';
import { rules } from '../src/spec/rules.ts';
import { Status, statusMeaning } from '../src/spec/status.ts';
import { explains, meaningOf, ruleOf, zhMeanings, zhRules } from '../src/ui/text/device-words.ts';
import type { CommandEvent } from '../src/rpc/protocol.ts';

it('every rule and every status has its sentence in Chinese', () => {
  expect(Object.keys(zhRules).toSorted()).toEqual(Object.keys(rules).toSorted());
  expect(Object.keys(zhMeanings).toSorted()).toEqual(Object.keys(Status).toSorted());
});

it('a refused command is explained in the language of the page', () => {
  const event = {
    statusName: 'emptyPage',
    meaning: statusMeaning(Status.emptyPage),
    rule: 'unwritten-read',
    ruleText: rules['unwritten-read'],
    why: 'page 3 was never written',
  } as unknown as CommandEvent;
  expect(meaningOf(event, 'en')).toBe(event.meaning);
  expect(meaningOf(event, 'zh-CN')).toBe(zhMeanings['emptyPage']);
  expect(ruleOf(event, 'en')).toBe(event.ruleText);
  expect(ruleOf(event, 'zh-CN')).toBe(zhRules['unwritten-read']);
  expect(ruleOf({ ...event, rule: 'new-rule' } as unknown as CommandEvent, 'zh-CN')).toBe(event.ruleText);
  expect(explains(event, 'vectorRead: page 3 was never written (emptyPage)')).toBe(true);
  expect(explains(event, 'doorbell at 0x1000')).toBe(false);
});
