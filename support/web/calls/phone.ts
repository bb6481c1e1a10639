import { foldDigits, namesSeveral, readPhone } from '@aether/platform/phone';
import { AsYouType, type CountryCode, getCountries, getCountryCallingCode } from 'libphonenumber-js/min';

const names = new Intl.DisplayNames(undefined, { type: 'region' });

/** `Germany +49`, by name. */
export function listCountries(): { value: string; label: string }[] {
  return getCountries()
    .map((value) => ({ value, label: `${names.of(value) ?? value} +${getCountryCallingCode(value)}` }))
    .sort((one, other) => one.label.localeCompare(other.label));
}

/** The country of the browser's language, if the language names one. */
export function guessCountry(languages: readonly string[]): string | null {
  const known = new Set<string>(getCountries());
  for (const language of languages) {
    const region = /[-_]([A-Z]{2})\b/.exec(language)?.[1];
    if (region && known.has(region)) return region;
  }
  return null;
}

/** A typed number as the server reads it, and its country: the flag is known as soon as the prefix is. */
export type TypedNumber = {
  /** E.164; undefined as long as it is no number, or if it names several. */
  number: string | undefined;
  extension: string | null;
  country: string | null;
  namesSeveral: boolean;
};

export function readTyped(typed: string, chosen: string | null): TypedNumber {
  const reader = new AsYouType((chosen as CountryCode | null) ?? undefined);
  reader.input(foldDigits(typed)); // the parser does not accept a full-width +
  const country = reader.getCountry() ?? chosen;
  const phone = readPhone(typed, country ?? undefined);
  return {
    number: phone?.key,
    extension: phone?.extension ?? null,
    country,
    namesSeveral: phone === undefined && namesSeveral(typed, country ?? undefined),
  };
}
