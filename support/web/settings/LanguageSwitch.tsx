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
  shown: WidgetLanguage;
  onShow: (language: WidgetLanguage) => void;
};

/** Chooses in which language texts are edited. Nothing for a widget that speaks one. */
export function LanguageSwitch({ label, spoken, shown, onShow }: LanguageSwitchProps) {
  if (spoken.length < 2) return null;
  return (
    <Input.Wrapper label={label} labelElement="div">
      <SegmentedControl
        fullWidth
        aria-label={label}
        data={spoken.map((value) => ({
          value,
          label: languages.find((each) => each.value === value)?.label ?? value,
        }))}
        value={shown}
        onChange={(language) => onShow(language as WidgetLanguage)}
      />
    </Input.Wrapper>
  );
}
