/*
 * Short forms of given names, by the full form, in folded letters. A short form may belong to several full forms (Alex); two full forms are never
 * the same name (Alexander and Alexandra), also if they share a short form.
 */
const shortForms = `
aaron ron ronnie; abigail abby abbie gail; abraham abe bram; adelaide addie heidi; albert al bert bertie; alexander alex al sandy sasha xander alec alejandro sascha lex
alexandra alex sandra sasha lexi lexie alexa sandy; alfred al alf alfie fred freddie; alice ally allie; alison ali allie; amanda mandy; amelia amy millie milly; andrea andi
andrew andy drew; angela angie; anna ann anne annie anja nan; anthony tony ant; anton toni; antonia toni tonia; archibald archie; arthur art artie; augustus gus; barbara barb barbie babs bärbel
bartholomew bart; beatrice bea trixie; benedict ben; benjamin ben benji benny benjy; bernard bernie; bernhard bernd; bradley brad; bridget biddy bridie; caleb cal; cameron cam; carolina caro lina
caroline carrie caro carol; catherine cathy kate katie cat cath kitty; charles charlie chuck chas carl; charlotte charlie lottie lotte; christian chris christy; christina chris tina chrissy christa kristina
christine chris tina chrissy; christopher chris kit topher; clarence clare; claudia claudi; clement clem; constance connie; cornelius corny neil; cynthia cindy; daniel dan danny; daniela dani; david dave davey davy
deborah deb debbie; dennis denny den; derek rick; diana di; dimitri dima mitya dmitri; dominic dom nick; donald don donnie; dorothy dot dottie dolly; douglas doug; edith edie; edmund ed eddie ted
edward ed eddie ted teddy ned; edwin ed eddie; eleanor ellie nell nora nellie ella; elena lena; elisabeth lisa lisbeth betty elsa elise else sissi liesel beth liz; elizabeth liz lizzie beth betty eliza lisa bess libby betsy elsie
ella ellie; ellen nell ellie; emily em emmy millie; emma em; ernest ernie; eugene gene; evangeline eve evie; evelyn eve evie; ezekiel zeke; felicity fliss; ferdinand ferdi; florence flo florrie; frances fran fanny frankie
francis frank fran; francisco paco pancho francis cisco; franklin frank; franz francis; frederick fred freddie freddy rick fritz; friedrich fritz fred fiete; gabriel gabe; gabriele gabi; gabriella gabby ella; gareth gary
genevieve gen; geoffrey geoff jeff; george georgie; georgina georgie gina; gerald gerry jerry; gerhard gerd; gertrude trudy gerti; gilbert gil bert; giovanni gianni nino; giuseppe beppe pino peppe; gregory greg; guillermo memo
gustav gus; gwendolyn gwen; hannah annie; harold harry hal; harriet hattie; heinrich heinz heiner; helen nell nellie; helena lena; henrietta hettie etta; henry harry hank hal; herbert herb bert; hermann mann; howard howie
hubert bert hugh; ignacio nacho; ignatius iggy; irene rene; isaac ike zac; isabel izzy bella isa belle; isabella izzy bella isa belle; isabelle izzy belle; ivan vanya; jack jackie; jacob jake jay; jacqueline jackie
james jim jimmy jamie jem; jane janie; janet jan; jason jay; jeffrey jeff; jennifer jen jenny jenn; jeremiah jerry; jeremy jez jerry; jerome jerry; jessica jess jessie; joachim jochen achim; joanna jo joey; joanne jo
johann hans hannes; johanna hanna jo; johannes hans hannes johann; john johnny jack jon; jonathan jon jonny nathan jonty; jorge coco; jose pepe chepe; josef sepp jupp; joseph joe joey; josephine jo josie; joshua josh
juan juanito; judith judy; julia jules; julian jules; juliana jules; karl kalle; katherine kate katie kathy kat kitty kath; kathleen kathy kath; kathryn kate katie kathy; katharina kathi käthe; katarzyna kasia; kenneth ken kenny
kimberly kim; konrad conny; konstantin kostya; kristin kris; lawrence larry laurie lars loz; leonard leo len lenny; leonardo leo; leopold leo poldi; leslie les; lewis lew lou; lillian lily lil; linda lindy; louis lou louie
louisa lou; louise lou; lucas luke luca; lucille lucy; lucinda lucy cindy; ludwig lutz; lydia liddy; maddison maddie maddy; madeleine maddie maddy; magdalena magda lena leni; małgorzata gosia; manuel manolo manny; manuela ela
margaret maggie meg peggy marge greta daisy madge; margarete grete gretel; maria mia mitzi mary; mariana mari; marianne nanni; marie mia; marjorie marge; mark marky; martha marty mattie; martin marty; mary molly polly may mae
matilda tilly tilda; matthew matt matty; matthias matze hias; maurice mo; maximilian max maxi; maxwell max; megan meg; melanie mel; melissa mel missy; michael mike mick mickey mikey michel; michelle shelly; mikhail misha
mildred millie; miguel migue; mohammed mo mohamed muhammad mohammad muhammed mehmet; muriel mu; nadezhda nadia; natalia natasha nat; natalie nat; natasha tasha nat; nathan nate nat; nathaniel nate nat nathan; nicholas nick nicky nico
nicola nicky; nicole nicky nic; nikolaus klaus nico niko; nikolai kolya; norman norm; oliver ollie olly; olivia liv livvy ollie; oscar ozzie; oswald oz ozzie; pamela pam; patricia pat patty trish tricia; patrick pat paddy rick
paul pauly; pavel pasha; penelope penny; peter pete; philip phil pip; philippa pip pippa; phillip phil; phoebe phebe; priscilla cilla; prudence pru; rachel rach; ralph ralphie; randall randy; raymond ray; rebecca becky becca bec
reginald reg reggie; renate rena; reuben rube; richard rick dick rich ricky richie; robert rob bob bobby robbie bert; roberto beto; roderick rod rick; rodney rod; roger rog; roland rollo; ronald ron ronnie; rosalind roz rosie
rosemary rose rosie; rudolf rudi rolf; rupert rup; russell russ; sabrina bri; salvador chava; salvatore totò turi; samantha sam sammy; samson sam; samuel sam sammy; sandra sandy; sarah sally sadie; scarlett scarly; sebastian seb bastian basti
sergei seryozha; sergio checo; sharon shaz; sidney sid; sigmund sigi; siegfried sigi; simon si; simone mona; solomon sol; sophia sophie sofie; spencer spence; stanley stan; stefan steffen; stefanie steffi; stephanie steph steffi
stephen steve stevie; steven steve stevie; stuart stu; susan sue suzie susie suzy; susanna sue susi susie sanna; susanne susi sanne; suzanne sue suzie; svetlana sveta; sylvester sly; tatiana tanya; terence terry; teresa terry tess tessa
theodora dora thea; theodore ted teddy theo; theresa terry tess tessa resi; thomas tom tommy thom; timothy tim timmy; tobias tobi toby; ulrich uli; ulrike uli rike; ursula uschi; valentina tina; valentine val; valerie val
vanessa nessa; veronica ronnie vera; veronika vroni; victor vic; victoria vicky tori vicki; vincent vince vinnie; viktor vitya; virginia ginny; vladimir vova volodya vlad; walter walt wally; waltraud traudl; wilfred wilf fred
wilhelm willi willy helmut; william will bill billy willie liam; winifred winnie fred; wolfgang wolf; yekaterina katya; yevgeny zhenya; zachary zach zack zac; zoe zo`;

/** Full forms that have no short form here, but are names of their own: one letter apart from others, and held by brothers, sisters and twins. */
const otherNames = `adam adrian aisha alan alicia alina alma amber amir amy ana anita antonio april aria arlo ashley ava axel ayden bella ben blake brian bruno carl carla carlos carmen cara chloe clara clare cole colin
connor dana daisy daria darcy dean diego dylan ebony eden elias elif elisa eliza elias ella elliot ellis eloise emil emilia emilio enzo eric erica erik erika erin esme ethan eva evie ezra fatima felix finley finn
fiona freya gemma gina grace greta gustavo hanna hans harley harper harrison harvey hayden heidi holly hugo hunter ian ida imogen ines ingrid isla ivy jade jaden jake jan jana jane janina jasmine jaxon jay jayden
jean jenna jens joel jonas jordan josie juan julie julius kai karen karin karina karl kate katja kayden kayla keira kevin kian klara kyle kyra lars laura lauren layla lea leah lena leo leon leona leonie liam lila lilly lily lina
lisa logan lola lotta luca luis luisa lukas luke luna lydia maja maisie malte marc marcel marco marcus maren mario marion marlon marta mason mateo max maya megan mia michaela mila milan miles millie mira moritz nadia nadine
nathalie nele neil nina nils noah noel nora olga ole omar oskar otto owen paula paulina petra pia poppy quentin rhys riley robin rosa rose rosie ruby ryan sabine sara selina seth sienna silke silvia sofia sonia sonja sophie stella
steffen sven tanja tara teo thea theo tim tina toby tom tyler ute uwe vera viola violet yasmin yusuf zara`;

const formsByName = new Map<string, number[]>();
let formCount = 0;
for (const line of shortForms.split(/[\n;]/)) {
  const [full, ...short] = line.normalize('NFKD').replace(/\p{M}/gu, '').replaceAll('ł', 'l').trim().split(/\s+/);
  if (!full) continue;
  const form = ++formCount;
  for (const name of [full, ...short]) formsByName.set(name, [...(formsByName.get(name) ?? []), form]);
}
for (const name of otherNames.trim().split(/\s+/)) {
  const forms = formsByName.get(name);
  if (!forms) formsByName.set(name, [++formCount]);
}

/** Numbers of the full forms that a given name, folded, may mean; none for a name that is not known. Full forms with the same short form differ. */
export const formsOfGivenName = (name: string): readonly number[] => formsByName.get(name) ?? [];
