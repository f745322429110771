// Journeys of people through the pages, in Chromium. Prints a line of JSON for each. Nothing here needs JavaScript in
// the pages: it is off in every context but axe's own.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';

const world = JSON.parse(process.argv[2]);
const require = createRequire(world.modules);
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const browser = await chromium.launch({ executablePath: world.chromium, args: ['--no-sandbox', '--disable-dev-shm-usage'] });

// visitor opens a page of somebody's own browser, with his certificate if he has one.
async function visitor(person, more = {}) {
  const pfx = world.people[person];
  const context = await browser.newContext({
    ignoreHTTPSErrors: true, javaScriptEnabled: false, locale: 'en', baseURL: world.base,
    clientCertificates: pfx ? [{ origin: world.login, pfxPath: pfx, passphrase: world.password }] : [], ...more,
  });
  context.setDefaultTimeout(10000);
  return context.newPage();
}

function want(ok, what) {
  if (!ok) throw new Error(what);
}

const heading = (page) => page.textContent('h1');

// Press a button, and wait for the page it leads to.
const press = (page, name) => Promise.all([page.waitForEvent('load'), page.getByRole('button', { name, exact: true }).click()]);

async function logIn(page) {
  await page.goto('/login');
  await page.getByRole('link', { name: 'Log in with a certificate' }).click();
  await press(page, 'Go on');
  want(page.url() === world.base + '/', page.url());
}

// shot keeps a picture for somebody to look at.
async function shot(page, name) {
  if (!world.shots) return;
  for (const [device, viewport] of Object.entries({ desktop: { width: 1200, height: 800 }, phone: { width: 360, height: 740 } })) {
    for (const colorScheme of ['light', 'dark']) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${world.shots}/${name}-${device}-${colorScheme}.png`, fullPage: true });
    }
  }
}

const journeys = {
  // Somebody who is not known finds a list and gets its certificate, octet for octet.
  async 'the certificate of a list'() {
    const page = await visitor();
    await page.goto('/');
    await page.getByRole('link', { name: world.board }).click();
    want((await heading(page)) === world.board, 'the page of the list');
    want((await page.textContent('main')).includes(world.fingerprint), 'no fingerprint');
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: '.cer' }).click()]);
    const sum = createHash('sha256').update(readFileSync(await download.path())).digest('hex');
    want(sum === world.fingerprint.replaceAll(':', '').toLowerCase(), 'other octets than the certificate');
    want(download.suggestedFilename() === 'board_lists.example.org.cer', download.suggestedFilename());
    await page.getByRole('link', { name: 'How to install it' }).click();
    want((await page.textContent('main')).includes('Thunderbird'), 'no help');
  },

  async 'login with a certificate, leave and subscribe'() {
    const page = await visitor('anna');
    await logIn(page);
    want((await page.textContent('nav')).includes('anna@corp.example'), 'not logged in');
    const cookies = await page.context().cookies();
    const session = cookies.find((c) => c.name === '__Host-sealist');
    want(session && session.secure && session.httpOnly && session.sameSite === 'Lax' && session.path === '/', JSON.stringify(cookies));
    await page.goto('/lists/' + world.board);
    await press(page, 'Leave the list');
    want(/no longer on/.test(await page.textContent('main')), await page.textContent('main'));
    await logIn(page); // leaving ends logins
    await page.goto('/lists/' + world.board);
    await press(page, 'Subscribe');
    want(/is on board.* now/.test(await page.textContent('main')), await page.textContent('main'));
    await page.getByRole('link', { name: 'Back' }).click();
    want(await page.getByRole('button', { name: 'Leave the list' }).isVisible(), 'not on the list again');
    await press(page, 'Log out');
    want(!(await page.textContent('nav')).includes('anna@corp.example'), 'still logged in');
  },

  async 'settings, and a certificate of one\'s own'() {
    const page = await visitor('anna');
    await logIn(page);
    await page.goto('/me');
    const board = page.locator('article', { hasText: world.board });
    await board.locator('select[name=mode]').selectOption('nomail');
    await Promise.all([page.waitForEvent('load'), board.getByRole('button', { name: 'Save' }).click()]);
    want((await board.locator('select[name=mode]').inputValue()) === 'nomail', 'the setting was not kept');
    const used = async () => (await page.locator('dl', { hasText: world.nextFingerprint }).first().textContent().catch(() => '')).replace(/\s+/g, ' ');
    await page.locator('input[type=file]').setInputFiles(world.next);
    await press(page, 'Use this certificate');
    want(/Used\s*yes/.test(await used()), 'not used: ' + (await page.textContent('main')));
    await press(page, 'Forget what I chose for this address');
    want(!(await page.textContent('main')).includes(world.nextFingerprint), 'not forgotten');
    const other = await visitor('anna');
    await logIn(other);
    await press(page, 'Log out everywhere');
    await other.goto('/me');
    want(other.url().startsWith(world.base + '/login'), 'still logged in elsewhere');
  },

  async 'login with a certificate leads back'() {
    const page = await visitor('anna');
    await page.goto('/lists/' + world.board);
    await page.getByRole('link', { name: 'Log in', exact: true }).click();
    await page.getByRole('link', { name: 'Log in with a certificate' }).click();
    await press(page, 'Go on');
    want(page.url() === world.base + '/lists/' + world.board, page.url());
  },

  async 'login without a certificate says what to do'() {
    const page = await visitor();
    await page.goto('/login');
    await page.getByRole('link', { name: 'Log in with a certificate' }).click();
    want((await page.textContent('main')).includes('showed no certificate'), await page.textContent('main'));
  },

  // Dora has no certificate: her link comes in clear.
  async 'login with a link in a mail'() {
    const page = await visitor();
    await page.goto('/login');
    await page.getByLabel('E-mail address').fill('dora@corp.example');
    await press(page, 'Send me a link');
    const link = await (await fetch(world.mail + '/link?to=dora@corp.example')).text();
    await page.goto(link);
    want(!(await page.textContent('nav')).includes('dora@'), 'a link alone logged somebody in');
    await press(page, 'Log in');
    want((await page.textContent('nav')).includes('dora@corp.example'), 'not logged in');
    await page.goto('/lists/' + world.board);
    await press(page, 'Leave the list');
    want(/no longer/.test(await page.textContent('main')), await page.textContent('main'));
    const again = await visitor();
    await again.goto(link);
    await press(again, 'Log in');
    want((await heading(again)) === 'That cannot be done', 'a link worked twice');
  },

  async 'another language'() {
    const page = await visitor('anna', { locale: 'fr-FR' });
    await page.goto('/');
    want((await page.getAttribute('html', 'lang')) === 'fr', 'not what the browser asks for');
    await page.goto('/lists/' + world.board);
    await page.locator('select[name=lang]').selectOption('de');
    await press(page, 'Choisir');
    want((await page.getAttribute('html', 'lang')) === 'de', 'not what was chosen');
    want(page.url() === world.base + '/lists/' + world.board, 'not the same page: ' + page.url());
  },

  async 'a person without rights reads why'() {
    const page = await visitor('mallory');
    await logIn(page);
    await page.goto('/lists/' + world.closed);
    const [answer] = await Promise.all([page.waitForResponse((r) => r.request().method() === 'POST'), press(page, 'Subscribe')]);
    want(answer.status() === 403, 'status ' + answer.status());
    const text = await page.textContent('main');
    want(text.includes('You may not do this') && text.includes(world.closedWhy), text);
    await shot(page, 'refusal');
    want((await page.goto('/lists/' + world.hidden)).status() === 404, 'a list that is not to be seen');
  },

  async 'keyboard alone'() {
    const page = await visitor('bert');
    const focused = () => page.locator(':focus');
    const tabTo = async (text) => {
      for (let i = 0; i < 30; i++) {
        await page.keyboard.press('Tab');
        if ((await focused().count()) && ((await focused().innerText()) || '').trim() === text) {
          const outline = await focused().evaluate((e) => getComputedStyle(e).outlineWidth);
          want(parseFloat(outline) >= 2, `no ring around ${text}`);
          return;
        }
      }
      throw new Error(`Tab does not reach ${text}`);
    };
    const enter = (to) => Promise.all([page.waitForURL(to), page.keyboard.press('Enter')]);
    await page.goto('/');
    await page.keyboard.press('Tab');
    want((await focused().innerText()) === 'To the content', 'the first is not the way to the content');
    const seen = await focused().boundingBox();
    want(seen.x >= 0 && seen.y >= 0, 'the way to the content is not in sight');
    await tabTo('Log in');
    await enter('**/login*');
    await tabTo('Log in with a certificate');
    await enter('**/login/certificate*');
    await tabTo('Go on');
    await enter(world.base + '/');
    await tabTo(world.board);
    await enter('**/lists/*');
    await tabTo('Leave the list');
    await enter('**/unsubscribe');
    want(/no longer/.test(await page.textContent('main')), 'has not left');
  },

  // Every page, in both colours: labels, contrast, landmarks; no wider than a phone; under 100 KB.
  async 'every page is light, fits a phone and has no fault that axe finds'() {
    const notes = [];
    const page = await visitor('anna', { javaScriptEnabled: true, bypassCSP: true });
    let answers = [];
    page.on('response', (r) => answers.push(r.body().catch(() => ''))); // a redirect has none
    const look = async (name) => {
      await page.setViewportSize({ width: 360, height: 740 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      want(wide <= 360, `${name} is ${wide} wide`);
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => window.axe.run());
        want(violations.length === 0, `${name} (${colorScheme}): ` + violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html + ' ' + n.failureSummary).join('; ')}`).join('\n'));
      }
      await shot(page, name);
    };
    const visit = async (name, path) => {
      answers = [];
      await page.goto(path);
      const weight = (await Promise.all(answers)).reduce((sum, body) => sum + body.length, 0);
      want(weight > 0 && weight < 100 * 1024, `${name} weighs ${weight} octets`);
      notes.push(`${name} ${weight}`);
      await look(name);
    };
    for (const [name, path] of Object.entries({ home: '/', list: '/lists/' + world.board, plain: '/lists/' + world.closed, login: '/login', help: '/help/certificates', link: '/login/link/x', nowhere: '/nowhere' })) {
      await visit(name, path);
    }
    await visit('handover', world.login + '/login/certificate?to=/');
    await press(page, 'Go on');
    for (const [name, path] of Object.entries(world.own)) await visit(name, path);
    await visit('member', '/lists/' + world.board);
    await page.goto('/lists/' + world.closed);
    await press(page, 'Subscribe');
    await look('refusal');
    await page.goto('/login');
    await page.getByLabel('E-mail address').fill('nobody@corp.example');
    await press(page, 'Send me a link');
    await look('told');
    return notes;
  },

  async 'a phone shows the longer words of German and French whole'() {
    for (const locale of ['de', 'fr']) {
      const page = await visitor(undefined, { locale, viewport: { width: 360, height: 740 } });
      for (const path of ['/', '/login', '/lists/' + world.board, '/help/certificates', '/nowhere']) {
        await page.goto(path);
        want((await page.getAttribute('html', 'lang')) === locale, `${path} is not in ${locale}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        want(wide <= 360, `${path} in ${locale} is ${wide} wide`);
      }
      await page.goto('/login');
      await shot(page, 'login-' + locale);
    }
  },
};

for (const [name, go] of Object.entries(journeys)) {
  const began = Date.now();
  let error = '', notes = [];
  try {
    notes = (await go()) || [];
  } catch (e) {
    error = String(e.message || e);
  }
  notes.push(`${Date.now() - began} ms`);
  for (const context of browser.contexts()) await context.close();
  console.log(JSON.stringify({ name, error, notes }));
}
await browser.close();
