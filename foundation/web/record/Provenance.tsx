import { formatMoment } from '@aether/ui/formats.ts';
import { Stack, Text } from '@mantine/core';
import type { Provenance } from '../api/records.ts';

const apps: Record<string, string> = {
  foundation: 'Foundation',
  support: 'Support',
  operator: 'an operator',
  sync: 'an import',
};

export const nameApp = (app: string) => apps[app] ?? app;

/** The last change of a field: the person, the app, the time, and the value before. */
export function ProvenanceNote({ provenance, before }: { provenance: Provenance; before: string }) {
  const { app, actor, at } = provenance;
  return (
    <Stack gap={2} component="span">
      <Text span size="xs">
        {actor ? `${actor.name} in ${nameApp(app)}` : `Changed in ${nameApp(app)}`}, {formatMoment(at)}
      </Text>
      <Text span size="xs">
        Before: {before}
      </Text>
    </Stack>
  );
}
