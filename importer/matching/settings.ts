import { type MatchSettings, ruleNames, standardSettings } from './rules.ts';

export class UnknownSetting extends Error {
  override name = 'UnknownSetting';
}

const numbers = {
  chance: { key: 'chanceMax', min: 0, max: 1, whole: false },
  family: { key: 'familyMax', min: 1, max: 100, whole: true },
  'group-size': { key: 'groupSizeMax', min: 2, max: 1_000, whole: true },
  review: { key: 'reviewMin', min: 0, max: 1, whole: false },
} as const;

/**
 * Settings as people write them: `name-and-place=off`, `chance=0.01`, `family=3`.
 *
 * @throws UnknownSetting that names all settings
 */
export function readSettings(texts: readonly string[], base: MatchSettings = standardSettings): MatchSettings {
  const settings = { ...base, rules: { ...base.rules } };
  for (const text of texts) {
    const at = text.indexOf('=');
    const name = at < 0 ? text : text.slice(0, at);
    const value = at < 0 ? '' : text.slice(at + 1);
    const rule = ruleNames.find((each) => each === name);
    if (rule) {
      if (value !== 'on' && value !== 'off') throw new UnknownSetting(`${name} is a rule: it can be on or off.`);
      settings.rules[rule] = value === 'on';
      continue;
    }
    if (!Object.hasOwn(numbers, name))
      throw new UnknownSetting(
        `There is no setting ${name}. A setting is ${[...ruleNames.map((each) => `${each}=on|off`), ...Object.keys(numbers).map((each) => `${each}=NUMBER`)].join(', ')}.`,
      );
    const { key, min, max, whole } = numbers[name as keyof typeof numbers];
    const number = Number(value);
    if (value.trim() === '' || !(number >= min && number <= max) || (whole && !Number.isInteger(number)))
      throw new UnknownSetting(`${name} must be a ${whole ? 'whole ' : ''}number from ${min} to ${max}.`);
    settings[key] = number;
  }
  return settings;
}
