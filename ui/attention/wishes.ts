import { useLocalStorage } from '@mantine/hooks';

/** How a person wants to be told, on this device. The quiet hours are `HH:MM` of the device's clock; empty: there are none. */
export type Wishes = { sound: boolean; desktop: boolean; unassigned: boolean; quietFrom: string; quietTo: string };

const usual: Wishes = { sound: true, desktop: false, unassigned: true, quietFrom: '', quietTo: '' };

/** @param kept what was kept, from this version or an older one; anything else is as usual. Pure. */
export function readWishes(kept: string | undefined): Wishes {
  try {
    const read: Record<string, unknown> = JSON.parse(kept ?? '');
    const isFit = ([name, value]: [string, unknown]) => typeof read[name] === typeof value;
    return {
      ...usual,
      ...Object.fromEntries(
        Object.entries(usual)
          .filter(isFit)
          .map(([name]) => [name, read[name]]),
      ),
    };
  } catch {
    return usual;
  }
}

/** Of one person on one device; every tab follows. */
export const useWishes = (personId: string) =>
  useLocalStorage<Wishes>({
    key: `aether.attention.${personId}`,
    defaultValue: usual,
    getInitialValueInEffect: false,
    deserialize: readWishes,
    serialize: JSON.stringify,
  });

/** Whether it is now within the quiet hours. Hours that end before they begin go on over midnight. Pure. */
export function isQuiet({ quietFrom, quietTo }: Pick<Wishes, 'quietFrom' | 'quietTo'>, now: Date): boolean {
  if (quietFrom === '' || quietTo === '') return false;
  const time = `${String(now.getHours()).padStart(2, '0')}:${String(now.getMinutes()).padStart(2, '0')}`;
  return quietFrom <= quietTo ? quietFrom <= time && time < quietTo : quietFrom <= time || time < quietTo;
}
