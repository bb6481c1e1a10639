import type { Widget, WidgetChange, WidgetSettings } from '../api/records.ts';

export type WidgetValues = Pick<
  Widget,
  'name' | 'is_active' | 'allowed_origins' | 'settings' | 'ends_after_hours' | 'reopens_days'
>;

export const pickValues = ({
  name,
  is_active,
  allowed_origins,
  settings,
  ends_after_hours,
  reopens_days,
}: Widget): WidgetValues => ({
  name,
  is_active,
  allowed_origins,
  settings,
  ends_after_hours,
  reopens_days,
});

/** Values of a draft that an earlier version kept on the device: what has come since is as it is without a choice. Pure. */
export const completeValues = (kept: WidgetValues): WidgetValues => ({
  ...kept,
  settings: { ...{ languages: [], choice: 'fixed' as const, translations: {} }, ...kept.settings },
});

/** Only the changes: so that two people who change different settings do not undo each other's. */
export function findChange(stored: WidgetValues, values: WidgetValues): WidgetChange {
  const fields = Object.keys(values) as (keyof WidgetValues)[];
  const changed = fields.filter((field) => canonical(stored[field]) !== canonical(values[field]));
  return Object.fromEntries(changed.map((field) => [field, values[field]]));
}

/** The widget's own language is another one. If it speaks that one already, the texts of both change places. Pure. */
export function setLanguage(settings: WidgetSettings, language: WidgetSettings['language']): WidgetSettings {
  const { language: before, languages, texts, translations } = settings;
  if (!languages.includes(language)) return { ...settings, language };
  const { [language]: own = {}, ...others } = translations;
  return {
    ...settings,
    language,
    languages: [...languages.filter((each) => each !== language), before],
    texts: own,
    translations: { ...others, [before]: texts },
  };
}

/** As JSON in which neither the order of keys nor an unset key makes a difference. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${entries
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, each]) => `${key}:${canonical(each)}`)
    .join()}}`;
}

/** Black or white, whichever is readable on a colour such as `#2456d6`; white if the text is no colour. */
export function chooseInk(color: string): '#ffffff' | '#111111' {
  const [, red, green, blue] = /^#(..)(..)(..)$/.exec(color) ?? [];
  if (!red || !green || !blue) return '#ffffff';
  const light = (hex: string) => {
    const part = Number.parseInt(hex, 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  };
  const luminance = 0.2126 * light(red) + 0.7152 * light(green) + 0.0722 * light(blue);
  return 1.05 / (luminance + 0.05) >= (luminance + 0.05) / (0.0056 + 0.05) ? '#ffffff' : '#111111';
}
