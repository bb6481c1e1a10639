import { contains } from '@aether/platform/folding';
import { type Entry, PaletteFrame } from '@aether/ui/PaletteFrame.tsx';
import { IconApps, IconArrowRight, IconWebhook } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { appsQuery } from '../api/apps.ts';
import { webhooksQuery } from '../api/webhooks.ts';
import { shortenAddress } from '../webhooks/words.ts';
import { places } from './places.ts';

/** Finds pages, apps and webhooks with the keyboard. */
export function Palette({ openings }: { openings: number }) {
  const [query, setQuery] = useState('');
  const navigate = useNavigate();
  const words = query.trim().toLowerCase();
  const isAsked = words !== '';
  const apps = useQuery({ ...appsQuery, enabled: isAsked, refetchInterval: false }).data?.apps ?? [];
  const webhooks = useQuery({ ...webhooksQuery, enabled: isAsked, refetchInterval: false }).data?.webhooks ?? [];
  const named = <Each extends { name: string }>(all: Each[]) =>
    isAsked ? all.filter(({ name }) => contains(name, words)) : [];
  const found = [
    {
      label: 'Apps',
      entries: named(apps).map(({ name }) => ({
        id: `app ${name}`,
        label: name,
        icon: <IconApps size={16} />,
        run: () => void navigate({ to: '/apps', search: { app: name } }),
      })),
    },
    {
      label: 'Webhooks',
      entries: named(webhooks).map(({ name, url }) => ({
        id: `webhook ${name}`,
        label: name,
        detail: shortenAddress(url),
        icon: <IconWebhook size={16} />,
        run: () => void navigate({ to: '/webhooks/$name', params: { name }, search: {} }),
      })),
    },
  ];
  const commands: Entry[] = places.map(({ to, label }) => ({
    id: to,
    label: `Go to ${label.toLowerCase()}`,
    icon: <IconArrowRight size={16} />,
    run: () => void navigate({ to }),
  }));
  return (
    <PaletteFrame
      openings={openings}
      query={query}
      onQueryChange={setQuery}
      placeholder="Page, app, webhook or command"
      found={found}
      commands={commands}
    />
  );
}
