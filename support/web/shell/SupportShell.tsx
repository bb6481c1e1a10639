import { lazyDialog } from '@aether/ui/parts/lazy.tsx';
import { Shell } from '@aether/ui/Shell.tsx';
import { useUnsent } from '@aether/ui/useUnsent.ts';
import { useLocation, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { liveFeed } from '../api/live.ts';
import { useAttention } from '../attention/useAttention.ts';
import { viewNames, views } from '../desk/search.ts';
import { AgentMenu } from './AgentMenu.tsx';
import { Navigation, placesOf, placesWithin } from './Navigation.tsx';
import { useOpenMark } from './openmark.ts';
import { useMe } from './person.ts';

const icon = new URL('../icon.svg', import.meta.url).href;
const Palette = lazyDialog(() => import('./Palette.tsx'), 'Palette');
const AttentionDialog = lazyDialog(() => import('@aether/ui/attention/AttentionDialog.tsx'), 'AttentionDialog');
const loadOutboxes = () => Promise.all([import('../conversation/sending.ts'), import('../calls/sending.ts')]);

/** The frame around every page of Support. */
export function SupportShell() {
  const me = useMe();
  useUnsent(me.id, loadOutboxes);
  useOpenMark(me.agent !== null && !me.isReader);
  useAttention(me);
  const navigate = useNavigate();
  const [isAsked, setAsked] = useState(false);
  const place = useLocation({ select: ({ pathname, searchStr }) => pathname + searchStr });
  return (
    <>
      <Shell
        name="Support"
        icon={icon}
        place={place}
        feed={liveFeed}
        Palette={Palette}
        navigation={<Navigation isAgent={me.agent !== null} />}
        ways={[
          ...views.map((view, index) => ({
            keys: `g ${index + 1}`,
            label: `Conversations: ${viewNames[view].toLowerCase()}`,
            run: () => void navigate({ to: '/inbox', search: { view } }),
          })),
          ...[...placesOf(me.isAdmin), ...placesWithin].map(({ to, label, keys }) => ({
            keys,
            label,
            run: () => void navigate({ to }),
          })),
        ]}
        person={<AgentMenu me={me} onAttention={() => setAsked(true)} />}
      />
      {isAsked && (
        <AttentionDialog
          personId={me.id}
          app="Support"
          hasUnassigned={me.agent !== null}
          onClose={() => setAsked(false)}
        />
      )}
    </>
  );
}
