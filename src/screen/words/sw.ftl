# Swahili. Not reviewed by a speaker with a clinical background.

decimal-sign = .
percent = { $number }%
date = { $day } { $month ->
    [1] Jan
    [2] Feb
    [3] Mac
    [4] Apr
    [5] Mei
    [6] Jun
    [7] Jul
    [8] Ago
    [9] Sep
    [10] Okt
    [11] Nov
   *[12] Des
} { $year }
moment = { $day } { $month ->
    [1] Jan
    [2] Feb
    [3] Mac
    [4] Apr
    [5] Mei
    [6] Jun
    [7] Jul
    [8] Ago
    [9] Sep
    [10] Okt
    [11] Nov
   *[12] Des
} { $year }, { $time } UTC

# On every page
research-only = Kwa utafiti tu: si utambuzi wa ugonjwa
clock-not-trusted = Huenda tarehe si sahihi
back = Rudi
close = Funga
lock = Weka kufuli
cancel = Ghairi

# The keyboard
key-space = Nafasi
key-erase = Futa
key-shift = Aa
key-more = Zaidi
key-done = Tayari

# Lock
lock-title = Wewe ni nani?
lock-role = Chagua wewe ni nani
lock-pin = PIN ya { $role }
lock-starting = Kifaa kinaanza
lock-trying = PIN inakaguliwa
role-operator = Opereta
role-reviewer = Mhakiki
role-administrator = Msimamizi

# Why something was not done
denied-refused = Hili lisifanywe kwa data hizi
denied-usage = Hili haliwezekani sasa
denied-unreadable = Hii haisomeki
denied-internal = Kifaa kimeshindwa kufanya hili
denied-not-ready = Kifaa hakiko tayari kwa hili
denied-configuration = Kifaa hakijawekewa mipangilio ya hili
denied-pin-wrong = PIN si sahihi
denied-pin-wait = PIN imekosewa mara nyingi: subiri
denied-role = Jukumu lako haliruhusu hili
denied-login = Ingia kwanza

# Home
home-cases = Kesi
home-no-cases = Hakuna kesi leo
home-new = Kesi mpya
home-settings = Mipangilio
home-device = Kifaa
home-control-case = Kesi ya udhibiti
progress-draft = inaandaliwa
progress-queued = inasubiri
progress-assessed = matokeo
progress-refused = imekataliwa
progress-set-aside = imetengwa
progress-reviewed = imehakikiwa
progress-exported = imehamishwa
part-camera = Kamera
part-share = Folda ya CT
part-storage = Hifadhi
part-temperature = Joto
part-clock = Saa
part-control = Kesi ya udhibiti
part-networks = Modeli
part-well = sawa
part-none = hakuna
part-gone = haipo
part-full = imejaa
part-warm = juu
part-hot = juu mno
part-unknown = haijulikani
part-not-trusted = huenda si sahihi
part-overdue = imechelewa
part-instead = injini ya akiba
part-failed = imefeli
part-loading = inapakia
part-never = bado

# A new case
form-title = Kesi mpya
form-first = Kitambulisho 1
form-second = Kitambulisho 2
form-age = Umri kwa miaka
form-sex = Jinsia
form-smoking = Sigara
form-specimen = Sampuli
form-required = lazima
form-unknown = haijulikani
form-open = Fungua kesi
form-female = mwanamke
form-male = mwanaume
form-never = hajawahi
form-former = aliacha
form-current = anavuta
form-biopsy = biopsy
form-cytology = cytology
form-resection = resection
form-age-wrong = Umri ni kati ya 0 na 120
form-same = Vitambulisho viwili vinafanana kabisa
form-long = Herufi zisizidi 64
form-unshown = Herufi moja haiwezi kuonyeshwa
form-other-second = Kesi { $cases } ina kitambulisho 1 kilekile lakini kitambulisho 2 tofauti. Huenda ni mgonjwa mwingine. Kagua vyote viwili.
form-same-patient = Ni mgonjwa yuleyule

# A case before it is handed over
draft-submit = Tuma itathminiwe
draft-empty = Kwanza inahitajika CT au eneo la slaidi
draft-earlier = Kesi za awali za mgonjwa huyu: { $cases }
draft-no-ct = Bado hakuna CT
draft-no-lesion = CT ipo. Hakuna lesion yenye alama: kifaa kingechagua moja
draft-ct = CT ipo, na lesion imewekewa alama
draft-to-share = Chagua CT
draft-to-ct = Weka alama ya lesion
draft-other-ct = CT nyingine
draft-fields = { $count ->
    [0] Bado hakuna eneo
    [one] Eneo moja limechukuliwa
   *[other] Maeneo { $count } yamechukuliwa
}
draft-to-microscope = Nenda kwenye hadubini

# The CT
ct-looking = CT zinatafutwa kwenye folda
ct-reading = CT inasomwa
ct-none = Hakuna CT kwenye folda
ct-none-of-patient = Hakuna CT yenye kitambulisho cha mgonjwa huyu kwenye folda. Zipo nyingine:
ct-choose = Chagua CT. Linganisha kitambulisho.
ct-slices = { $count ->
    [one] slice moja
   *[other] slice { $count }
}
ct-other-id = CT hii ina Patient ID { $found }. Kesi ni ya { $case }. Huenda CT ni ya mgonjwa mwingine.
ct-same-patient = Ni ya mgonjwa yuleyule
ct-axial = Axial
ct-coronal = Coronal
ct-sagittal = Sagittal
ct-axial-slice = Slice ya axial { $number } kati ya { $count }
ct-coronal-slice = Slice ya coronal { $number } kati ya { $count }
ct-sagittal-slice = Slice ya sagittal { $number } kati ya { $count }
ct-lung = Pafu
ct-mediastinum = Mediast.
ct-next-candidate = Pendekeza
ct-set-lesion = Weka lesion hapa
ct-no-id = bila kitambulisho

# The microscope
microscope-no-camera = Kamera haitoi picha
camera-busy = Programu nyingine inatumia kamera
camera-hangs = Kamera imekwama: ichomoe kisha uichomeke tena
camera-format = Kamera hii haitoi picha zinazosomeka
camera-large = Picha za kamera ni kubwa mno: chagua ukubwa mdogo
microscope-preview = Onyesho la awali: hakuna kinachohifadhiwa hadi uchukue eneo
microscope-preview-heat = Onyesho la mahali modeli inapoangalia: hakuna kinachohifadhiwa
microscope-heat = Inapoangalia
microscope-take = Chukua eneo hili
microscope-auto = Otomatiki
microscope-objective = Objective { $name }
microscope-count = { $count ->
    [one] Eneo moja
   *[other] Maeneo { $count }
}; ni bora kuongeza { $left }
microscope-enough = Maeneo { $count }: yanatosha
microscope-drop = Ondoa eneo { $number }
live-good = Picha iko wazi, ina tishu: ichukue
live-blurred = Zungusha fine focus
live-no-tissue = Sogeza kwenye tishu
live-dark = Ongeza mwanga
live-bright = Punguza mwanga
live-no-colour = Hakuna rangi: kagua stain na kamera
live-no-scale = Skeli haijulikani: fanya calibration ya objective
live-checking = Picha inakaguliwa
live-not-he = Hii si tishu iliyotiwa stain: angalia kilicho chini ya kamera
live-swapped = Nyekundu na bluu zimebadilishana: kagua format ya kamera
live-moving = Shikilia slide bila kuisogeza
live-taken = Sehemu hii imechukuliwa: endelea mbele
live-stain = Stain si ya kawaida: kagua slide na white balance
live-pen = Huenda kuna wino: ondoka hapo
live-fold = Huenda tishu imekunjika: ondoka kwenye kunjo
live-bubble = Huenda kuna povu la hewa: ondoka hapo
live-warm = Kifaa kina joto: mtandao unaangalia mara chache
live-hot = Kifaa kina joto mno: mtandao hauangalii
live-power = Umeme ni dhaifu: mtandao unaangalia mara chache

# A case that waits
processing-title = Kesi inatathminiwa
processing-time = Sekunde { $seconds } hadi sasa; kawaida ni { $usual }
processing-time-alone = Sekunde { $seconds } hadi sasa
processing-cancel = Simamisha, rudi kwenye maandalizi
step-queue = Kwenye foleni
step-queue-before = { $count ->
    [0] Inafuata kwenye foleni
    [one] Kesi moja inatangulia
   *[other] Kesi { $count } zinatangulia
}
step-reading = Picha zinasomwa na kukaguliwa
step-ct = CT inachunguzwa na kutathminiwa
step-fields = Maeneo yanatathminiwa
step-explaining = Zote mbili zinapimwa, kisha sehemu zilizoangaliwa zinaonyeshwa

# Before the result
first-title = Unaona nini kwenye picha? Sema kabla matokeo hayajaonyeshwa.
first-cannot-say = Siwezi kusema
first-reveal = Hifadhi, kisha onyesha matokeo
first-no-image = Hakuna picha
picture-next = Picha { $number } kati ya { $count }

# A result. "Normal" is never said alone: see result-normal.
result-favours = Ushahidi unaelekea: { $class } ({ $share })
result-normal = Hakuna mwonekano wa uvimbe katika picha hizi ({ $share }); hili haliondoi uwezekano wa saratani
result-figures = Takwimu
result-weights = Uzito
result-looked = Ilipoangalia
result-limits = Mapungufu ({ $count })
result-opinion = Maoni yako
result-export = Hamisha
result-weakened = { $count ->
    [0] Hakuna mapungufu yanayojulikana
    [one] Jambo moja linadhoofisha matokeo haya: lisome
   *[other] Mambo { $count } yanadhoofisha matokeo haya: yasome
}
result-disagree = { $count ->
    [one] CT na H&E hazikubaliani: soma mapungufu
   *[other] CT na H&E hazikubaliani, na mengine yanadhoofisha matokeo haya ({ $count }): soma mapungufu
}
class-adenocarcinoma = adenocarcinoma
class-squamous = squamous cell carcinoma
class-large-cell = large cell carcinoma
class-nsclc-nos = NSCLC-NOS, mwonekano wa seli kubwa
class-small-cell = small cell carcinoma
class-normal = hakuna mwonekano wa uvimbe
branch-fused = zote mbili
branch-ct = CT
branch-he = H&E
weights = CT ina uzito wa { $ct }, slaidi { $he }
weights-compared = Kwa umri, jinsia na sigara, CT ina uzito wa { $ct } na slaidi { $he }; bila hizo CT ingekuwa na { $without }
weights-ct-alone = Hakuna slaidi: CT pekee ilisomwa
weights-he-alone = Hakuna CT: slaidi pekee ilisomwa
weights-unknown-average = haijulikani (wastani ulitumika)
looked-none = Hakuna maelezo yaliyotolewa
looked-faithful = Imekaguliwa: bila sehemu yenye alama, matokeo hubadilika
looked-unchecked = Haijakaguliwa: huenda haionyeshi kilichochangia
looked-unreliable = Hakuna maelezo ya kutegemewa
looked-caption = Mahali modeli ilipoangalia, si mahali penye uvimbe
looked-map = Ramani { $share }
looked-method = { $method } ({ $number } kati ya { $count })

# A refusal
refused-title = Picha hizi hazipaswi kutathminiwa
refused-why = Kwa nini
refused-next = La kufanya
set-aside-why = Kifaa kimeshindwa mara mbili kwa kesi hii. Kesi imehifadhiwa, na haitajaribiwa tena yenyewe.
set-aside-again = Jaribu tena

# What a person thinks of it
review-agree = Nakubali
review-disagree = Sikubali
review-save = Hifadhi maoni yangu
review-reason = Kwa nini? Sababu inahitajika.
review-kept = Maoni yako yanahifadhiwa pamoja na matokeo, na jukumu lako na saa. Hayabadilishi chochote kwenye matokeo.
review-agreed-before = Mwisho: alikubali
review-disagreed-before = Mwisho: hakukubali

# A case leaves the box
export-nowhere = Kifaa hiki hakina mahali pa kuhamishia
export-where = Kesi itaandikwa kwenye { $folder }. Pamoja na vitambulisho au bila?
export-writing = Kesi inaandikwa kwenye { $folder }
export-without = Bila vitambulisho
export-with = Na vitambulisho
export-without-note = Faili inamtaja mgonjwa kwa namba ya kesi tu.
export-with-warning = Faili inamtaja mgonjwa kwa kitambulisho. Mpe tu mtu anayeruhusiwa kujua.
export-write = Andika faili
export-done = Kesi imeandikwa na kusomwa tena. Flashi ya USB inaweza kuondolewa.

# Settings
settings-title = Mipangilio
settings-language = Lugha na herufi
settings-log = Daftari
settings-verify = Kagua kumbukumbu
settings-pins = Weka PIN
settings-about = Kifaa hiki
about-board = Bodi
about-version = Toleo
about-bundle = Kifurushi
about-engine = Injini
about-mirror = Kioo
language-unreviewed = Hakuna mtaalamu wa tiba aliyehakiki lugha hii bado. Mambo muhimu ya usalama yanasemwa pia kwa Kiingereza.
letters-plain = Herufi za kawaida
letters-large = Herufi kubwa
pin-role = PIN ya nani?
pin-new = PIN mpya: tarakimu 6 hadi 12
pin-again = Ileile mara moja tena
pin-setting = PIN inawekwa
pin-differ = PIN mbili hazikufanana. Andika PIN mpya tena.
log-reading = Daftari linasomwa
log-head = Andika hii ili kuthibitisha baadaye kuwa hakuna kilichobadilishwa: { $head }
log-newer = Mpya
log-older = Za zamani
done-control = Kesi ya udhibiti imetumwa
done-verified = Kumbukumbu ni kamili: hakuna kilichobadilishwa
done-pin-set = PIN imewekwa
part-update = Sasisho
update-installing = linawekwa
update-installed = washa upya
update-refused = limekataliwa
settings-restart = Washa kifaa upya
settings-restart-sure = Tena: washa upya sasa
done-restart = Kifaa kinaanza upya. Kesi zinazoendelea zitaanzishwa tena.
welcome-title = Karibu: chagua lugha
welcome-keys = Funguo za kifaa hiki
welcome-pin = PIN ya msimamizi
welcome-onward = Endelea
welcome-no-pin = Bila PIN kwa sasa
keys-records = Kumbukumbu za wagonjwa
keys-networks = Mitandao
key-box = zimefungwa kwa ufunguo wa kifaa hiki. Anayetoa diski hawezi kuzisoma.
key-disk = zimefungwa kwa ufunguo ulio kwenye diski hiyo hiyo, kwa kuwa kifaa hakina TPM. Anayechukua diski anaweza kuzisoma.
key-pin = zimefungwa kwa ufunguo unaofunguliwa na PIN. Kila kifaa kinapowashwa mtu huiandika.
key-file = zimefungwa kwa ufunguo ulio wazi kando yake. Hilo halilindi chochote.
key-development = Mtu yeyote anaweza kutia saini mitandao ya kifaa hiki: kwa majaribio tu, kamwe si kwa wagonjwa.
rescue-title = Kifaa hiki hakiko tayari
rescue-next = Kifaa hakijafuta chochote. Muulize anayetunza kifaa.

# Refusals
note-missing-slice = Slice moja ya CT haipo.
next-missing-slice = Hamisha tena series nzima.
note-uneven-slices = Nafasi kati ya slice za CT si sawa.
next-uneven-slices = Hamisha reconstruction moja yenye nafasi sawa kati ya slice.
note-duplicate-slices = Slice mbili za CT ziko mahali pamoja.
next-duplicate-slices = Hamisha acquisition moja ya series, bila nakala.
note-mixed-geometry = Slice za CT si za seti moja.
next-mixed-geometry = Hamisha tena series kama reconstruction moja.
note-two-patients = Kuna zaidi ya mgonjwa mmoja kwenye CT.
next-two-patients = Hamisha mgonjwa mmoja, kisha jaribu tena.
note-several-series = Huenda ni zaidi ya series moja ya CT.
next-several-series = Toa series moja tu inayokusudiwa.
note-no-volume = Hii si series ya CT ya axial.
next-no-volume = Hamisha series ya CT ya axial ya kifua.
note-lesion-outside-volume = Lesion yenye alama iko nje ya CT.
next-lesion-outside-volume = Weka alama ya lesion ndani ya eneo la CT.
note-no-lesion-candidate = Hakuna lesion yenye alama, na hakuna inayojitokeza.
next-no-lesion-candidate = Weka alama ya lesion kwa mkono.
note-scale-unknown = Skeli ya picha haijulikani.
next-scale-unknown = Fanya calibration ya objective.
note-scale-too-coarse = Picha haina undani wa kuonyesha viini vya seli.
next-scale-too-coarse = Tumia objective ya 10x au zaidi.
note-not-colour = Picha haina rangi.
next-not-colour = Chukua picha ya rangi ya slaidi yenye stain ya H&E.
note-blank-image = Picha haionyeshi tishu.
next-blank-image = Sogeza kwenye tishu.
note-too-dark = Picha ina giza mno.
next-too-dark = Ongeza mwanga au exposure.
note-blurred-image = Picha ina ukungu.
next-blurred-image = Zungusha fine focus hadi viini vya seli vionekane vizuri.
note-image-too-small = Picha ni ndogo mno.
next-image-too-small = Chukua eneo kubwa zaidi.
note-too-little-tissue = Tishu ni kidogo mno.
next-too-little-tissue = Sogeza kwenye tishu.
note-stain-degenerate = Stain haisomeki.
next-stain-degenerate = Kagua stain ya H&E na white balance.

# Limits
note-no-ct = Hakukuwa na CT.
next-no-ct = Picha za H&E pekee zilisomwa.
note-no-he = Hakukuwa na picha ya H&E.
next-no-he = CT pekee ilisomwa.
note-metadata-missing = Umri, jinsia au uvutaji sigara haujulikani.
next-metadata-missing = Wastani wa kundi la mafunzo ya modeli ulitumika badala yake.
note-lesion-suggested = Kifaa kilichagua lesion.
next-lesion-suggested = Kagua kama duara liko juu ya lesion inayokusudiwa.
note-patch-clipped = Sehemu ya kilichosomwa iko nje ya CT.
next-patch-clipped = Sehemu hiyo ilijazwa hewa.
note-branches-disagree = CT na H&E zinaelekea aina tofauti.
next-branches-disagree = Soma zote mbili na upime mwenyewe.
note-field-left-out = Eneo moja liliachwa.
next-field-left-out = Chukua eneo hilo tena.
note-few-tiles = Tishu ya kusoma ilikuwa kidogo.
next-few-tiles = Ongeza maeneo yenye tishu.
note-stain-unusual = Stain si ya kawaida.
next-stain-unusual = Kagua stain na white balance.
note-thick-slices = Slice za CT ni nene.
next-thick-slices = Tumia reconstruction yenye slice nyembamba, kama ipo.
note-phantom-bundle = Modeli zilifunzwa kwa phantom bandia.
next-phantom-bundle = Takwimu zake hazina maana kwa wagonjwa.
note-control-overdue = Kesi ya udhibiti imechelewa.
next-control-overdue = Tuma kesi ya udhibiti itathminiwe.
note-control-failed = Kifaa kimeshindwa kesi yake ya udhibiti.
next-control-failed = Usitegemee matokeo. Kifaa kikaguliwe.
note-clock-not-trusted = Tarehe ya matokeo haya haina uhakika.
next-clock-not-trusted = Andika tarehe kwa mkono.
note-other-patient-id = CT ilikuja na Patient ID nyingine.
next-other-patient-id = Linganisha CT na karatasi za mgonjwa.
note-ct-revised = Slice zaidi zilifika baada ya kesi kutumwa.
next-ct-revised = Fungua kesi mpya yenye CT nzima.
note-outside-training-range = Umri, jinsia au sigara viko nje ya mafunzo ya modeli.
next-outside-training-range = Pima mwenyewe CT na H&E.
