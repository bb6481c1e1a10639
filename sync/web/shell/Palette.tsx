import { type Entry, PaletteFrame } from '@aether/ui/PaletteFrame.tsx';
import { IconArrowRight } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { places } from './places.ts';

/** Finds pages with the keyboard. */
export function Palette({ openings }: { openings: number }) {
  const [query, setQuery] = useState('');
  const navigate = useNavigate();
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
      placeholder="Page or command"
      found={[]}
      commands={commands}
    />
  );
}
