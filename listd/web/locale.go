package web

import (
	"bufio"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"golang.org/x/text/language"

	"github.com/sealist/sealist/listd/list"
)

// locales are the texts of the pages, by language and key.
type locales map[list.Language]map[string]string

// readLocales reads a file for each language: KEY = TEXT, a line each. Every
// language has the same keys.
func readLocales(files fs.FS) (locales, error) {
	all := locales{}
	for _, lang := range list.Languages() {
		name := "locale/" + string(lang) + ".txt"
		file, err := files.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		texts := map[string]string{}
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			line := strings.TrimSpace(lines.Text())
			if line == "" || line[0] == '#' {
				continue
			}
			key, text, ok := strings.Cut(line, " = ")
			if !ok || texts[key] != "" {
				return nil, fmt.Errorf("%s: %q is no line of texts, or a key that was there", name, line)
			}
			texts[key] = text
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[lang] = texts
	}
	for lang, texts := range all {
		if len(texts) != len(all[list.English]) {
			return nil, fmt.Errorf("the pages have %d texts in %s, and %d in English", len(texts), lang, len(all[list.English]))
		}
		for key := range all[list.English] {
			if _, ok := texts[key]; !ok {
				return nil, fmt.Errorf("the pages have no text %s in %s", key, lang)
			}
		}
	}
	return all, nil
}

// langCookie keeps the language that a visitor has chosen.
const langCookie = "lang"

// language is the one that a visitor has chosen, or that his browser asks for.
func (s *Server) language(r *http.Request) list.Language {
	offered := []language.Tag{language.Make(string(s.Lang))}
	for _, lang := range list.Languages() {
		offered = append(offered, language.Make(string(lang)))
	}
	if cookie, err := r.Cookie(langCookie); err == nil {
		for _, lang := range list.Languages() {
			if cookie.Value == string(lang) {
				return lang
			}
		}
	}
	tag, _ := language.MatchStrings(language.NewMatcher(offered), r.Header.Get("Accept-Language"))
	base, _ := tag.Base()
	return list.Language(base.String())
}
