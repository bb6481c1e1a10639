export { mailCodes, refuseFailing, refuseOff } from './codes.ts';
export { type Answer, type Keeper, type MailRoom, openMail, type Settled } from './mail.ts';
export { findFailing, isMailOn, listMails, type Mail, queueMail } from './queue.ts';
export { addMailRoutes, describeMail } from './routes.ts';
export { FailingSchema, MailSchema } from './schemas.ts';
