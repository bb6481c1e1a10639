import type { Queryable } from '@aether/platform';
import { seenWithin } from '../agents/agents.ts';
import { findLiveBot } from '../chatbots/chatbots.ts';
import { inLanguage } from '../chatbots/translations.ts';
import type { VisitedWidget } from '../visitors/visitors.ts';
import { isOpenAt, nextOpening, type OfficeHours } from './officehours.ts';
import { chooseLanguage, type Reads, textsIn } from './widgetlanguage.ts';
import { readSettings, type WidgetSettings } from './widgetsettings.ts';

/** The public settings of a widget, in one language. */
export type PublicConfig = { name: string } & Omit<WidgetSettings, 'choice' | 'translations'> & {
    /** Whether a person answers at present. */
    is_online: boolean;
    bot: { name: string; greeting: string | null; questions: { id: string; label: string }[] } | null;
    /** When people answer again, if the office hours of the bot or of the team say so. */
    opens_at: string | null;
  };

/** @param reads what the visitor reads: it decides in which of the widget's languages it is */
export async function readPublicConfig(on: Queryable, widget: VisitedWidget, reads: Reads = {}): Promise<PublicConfig> {
  const [bot, [people]] = await Promise.all([
    findLiveBot(on, widget.id),
    on.query<{ is_online: boolean; hours: OfficeHours | null }>(
      `select (select t.hours from support.widgets w join support.teams t on t.id = w.team_id where w.id = $1) as hours,
        exists (select from support.agents a where a.is_active
        and a.availability = 'online' and a.last_seen_at > now() - ${seenWithin}
         and (exists (select from support.widget_agents t where t.widget_id = $1 and t.agent_id = a.id)
              or not exists (select from support.widget_agents t where t.widget_id = $1))) as is_online`,
      [widget.id],
    ),
  ]);
  const hours = bot?.rules.office_hours ?? people?.hours ?? null;
  const at = new Date();
  const isOpen = hours === null || isOpenAt(hours, at);
  const settings = readSettings(widget.settings);
  const { choice: _, translations: __, ...shown } = settings;
  const language = chooseLanguage(settings, reads);
  const rules = bot && inLanguage(bot.rules, language);
  return {
    name: widget.name,
    ...shown,
    language,
    texts: textsIn(settings, language),
    is_online: isOpen && people?.is_online === true,
    bot: rules
      ? {
          name: bot.name,
          greeting: rules.greeting,
          questions: rules.questions.map(({ id, label }) => ({ id, label })),
        }
      : null,
    opens_at: hours === null ? null : (nextOpening(hours, at)?.toISOString() ?? null),
  };
}
