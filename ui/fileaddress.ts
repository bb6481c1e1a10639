/** The address of a file with the rows of a list, by its filters. Pure. */
export function fileAddress(path: string, filters: Record<string, string | number | boolean | undefined>): string {
  const given = Object.entries(filters).flatMap(([name, value]) => (value ? [[name, String(value)]] : []));
  return `${path}${given.length > 0 ? `?${new URLSearchParams(given)}` : ''}`;
}
