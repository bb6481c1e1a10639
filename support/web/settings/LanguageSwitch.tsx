import { Input, SegmentedControl } from '@mantine/core';
import type { WidgetSettings } from '../api/records.ts';

export type WidgetLanguage = WidgetSettings['language'];

/** The languages that a widget has words in. */
export const languages: { value: WidgetLanguage; label: string }[] = [
  { value: 'en', label: 'English' },
  { value: 'de', label: 'German' },
  { value: 'fr', label: 'French' },
  { value: 'es', label: 'Spanish' },
  { value: 'tr', label: 'Turkish' },
];

/** The languages that a widget speaks, its own first. */
export const languagesOf = ({
  language,
  languages,
}: Pick<WidgetSettings, 'language' | 'languages'>): WidgetLanguage[] => [
  language,
  ...languages.filter((each) => each !== language),
];

type LanguageSwitchProps = {
  label: string;
  spoken: WidgetLanguage[];
  /** Undefined: as written first. */
  shown: WidgetLanguage | undefined;
  /** What was written first is in none of the languages and has a place of its own. */
  hasFirst?: boolean;
  onShow: (language: WidgetLanguage | undefined) => void;
};

const first = 'first';

/** Chooses in which language texts are edited. Nothing for a widget that speaks one. */
export function LanguageSwitch({ label, spoken, shown, hasFirst = false, onShow }: LanguageSwitchProps) {
  const choices = [
    ...(hasFirst ? [{ value: first, label: 'Written first' }] : []),
    ...spoken.map((value) => ({ value, label: languages.find((each) => each.value === value)?.label ?? value })),
  ];
  if (choices.length < 2) return null;
  return (
    <Input.Wrapper label={label} labelElement="div">
      <SegmentedControl
        fullWidth
        aria-label={label}
        data={choices}
        value={shown ?? choices[0]?.value ?? first}
        onChange={(language) => onShow(spoken.find((each) => each === language))}
      />
    </Input.Wrapper>
  );
}
