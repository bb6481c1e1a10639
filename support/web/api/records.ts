import type { InferRequestType, InferResponseType } from 'hono/client';
import type {
  agents,
  calls,
  cannedAnswers,
  chatbots,
  customers,
  inbox,
  panels,
  sessions,
  sharing,
  teams,
  users,
  widgets,
} from './clients.ts';

/** Names for the server's answers. The shapes are the server's own: nothing here can differ from them. */
export type Session = InferResponseType<(typeof inbox)['$get'], 200>['sessions'][number];
export type View = NonNullable<InferRequestType<(typeof inbox)['$get']>['query']['view']>;
export type Named = Session['widget'];
export type Conversation = InferResponseType<(typeof sessions)[':id']['$get'], 200>;
export type Message = Conversation['messages'][number];
export type Choice = NonNullable<Message['choices']>[number];
/** A note, or a recorded action. */
export type Entry = Conversation['entries'][number];
/** An agent who has the conversation open. */
export type Viewer = Conversation['viewers'][number];

export type Agent = InferResponseType<(typeof agents)['$get'], 200>['agents'][number];
export type OwnAgent = NonNullable<InferResponseType<(typeof agents)['me']['$get'], 200>['agent']>;
export type Availability = Agent['availability'];
export type StaffUser = InferResponseType<(typeof users)['$get'], 200>['users'][number];

export type Context = InferResponseType<(typeof panels)[':id']['context']['$get'], 200>;
export type Customer = NonNullable<Context['customer']>;
/** Support's own fields of a customer. */
export type CustomerFields = Pick<Customer, 'preferred_language' | 'timezone'>;
export type CustomerChange = InferRequestType<(typeof customers)[':id']['$patch']>['json'];
export type TierChange = NonNullable<Context['tier']>;
export type PastSession = Context['sessions'][number];

export type Call = InferResponseType<(typeof calls)['$get'], 200>['calls'][number];
export type CallOutcome = NonNullable<Call['outcome']>;
export type NewCall = InferRequestType<(typeof calls)['$post']>['json'];
export type CallChange = InferRequestType<(typeof calls)[':id']['$patch']>['json'];
export type FoundBy = InferResponseType<(typeof calls)['$post'], 201>['customer_was'];
export type Caller = InferResponseType<(typeof calls)['lookup']['$post'], 200>['by_number'][number];

export type CannedAnswer = InferResponseType<(typeof cannedAnswers)['$get'], 200>['canned_answers'][number];

export type Widget = InferResponseType<(typeof widgets)['$get'], 200>['widgets'][number];
export type WidgetSettings = Widget['settings'];
export type WidgetTexts = WidgetSettings['texts'];
export type WidgetChange = InferRequestType<(typeof widgets)[':id']['$patch']>['json'];

export type Team = InferResponseType<(typeof teams)['$get'], 200>['teams'][number];
export type TeamChange = InferRequestType<(typeof teams)[':id']['$patch']>['json'];
export type NewTeam = InferRequestType<(typeof teams)['$post']>['json'];
export type TeamHours = NonNullable<Team['hours']>;
export type Holiday = TeamHours['holidays'][number];
export type Targets = NonNullable<Team['targets']>;

export type Chatbot = InferResponseType<(typeof chatbots)['$get'], 200>['chatbots'][number];
export type Rules = Chatbot['rules'];
export type Question = Rules['questions'][number];
export type OfficeHours = NonNullable<Rules['office_hours']>;
export const weekDays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type WeekDay = (typeof weekDays)[number];
/** From and to, such as `['09:00', '17:00']`. */
export type Span = NonNullable<OfficeHours['days'][WeekDay]>[number];
export type Turn = InferRequestType<(typeof chatbots)['preview']['$post']>['json']['conversation'][number];

export type Sharing = InferResponseType<(typeof sharing)['$get'], 200>['sharing'][number];
