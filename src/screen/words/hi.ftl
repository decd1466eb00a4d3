# Hindi. Not reviewed by a speaker with a clinical background.

decimal-sign = .
percent = { $number }%
date = { $day } { $month ->
    [1] जन॰
    [2] फ़र॰
    [3] मार्च
    [4] अप्रैल
    [5] मई
    [6] जून
    [7] जुल॰
    [8] अग॰
    [9] सित॰
    [10] अक्तू॰
    [11] नव॰
   *[12] दिस॰
} { $year }
moment = { $day } { $month ->
    [1] जन॰
    [2] फ़र॰
    [3] मार्च
    [4] अप्रैल
    [5] मई
    [6] जून
    [7] जुल॰
    [8] अग॰
    [9] सित॰
    [10] अक्तू॰
    [11] नव॰
   *[12] दिस॰
} { $year }, { $time } UTC

# On every page
research-only = केवल शोध के लिए: यह निदान नहीं है
clock-not-trusted = तारीख गलत हो सकती है
back = वापस
close = बंद करें
lock = लॉक करें
cancel = रद्द करें

# The keyboard
key-space = स्पेस
key-erase = मिटाएँ
key-shift = Aa
key-more = और
key-done = हो गया

# Lock
lock-title = आप कौन हैं?
lock-role = अपनी भूमिका चुनें
lock-pin = { $role } का PIN
lock-starting = डिवाइस चालू हो रहा है
lock-trying = PIN जाँचा जा रहा है
role-operator = ऑपरेटर
role-reviewer = समीक्षक
role-administrator = व्यवस्थापक

# Why something was not done
denied-refused = इस डेटा के साथ यह करना मना है
denied-usage = यह अभी नहीं हो सकता
denied-unreadable = इसे पढ़ा नहीं जा सकता
denied-internal = डिवाइस यह नहीं कर पाया
denied-not-ready = डिवाइस इसके लिए तैयार नहीं है
denied-configuration = डिवाइस इसके लिए सेट नहीं है
denied-pin-wrong = PIN गलत है
denied-pin-wait = कई बार गलत PIN: रुकें
denied-role = आपकी भूमिका को इसकी अनुमति नहीं है
denied-login = पहले लॉग इन करें

# Home
home-cases = केस
home-no-cases = आज कोई केस नहीं
home-new = नया केस
home-settings = सेटिंग
home-device = डिवाइस
home-control-case = कंट्रोल केस
progress-draft = तैयारी में
progress-queued = प्रतीक्षा में
progress-assessed = परिणाम
progress-refused = अस्वीकृत
progress-set-aside = अलग रखा
progress-reviewed = समीक्षा हुई
progress-exported = एक्सपोर्ट हुआ
part-camera = कैमरा
part-share = CT फ़ोल्डर
part-storage = स्टोरेज
part-temperature = तापमान
part-clock = घड़ी
part-control = कंट्रोल केस
part-networks = न्यूरल नेटवर्क
part-well = ठीक
part-none = कोई नहीं
part-gone = मौजूद नहीं
part-full = भरा हुआ
part-warm = थोड़ा गर्म
part-hot = बहुत ज़्यादा गर्म
part-unknown = पता नहीं
part-not-trusted = गलत हो सकती है
part-overdue = समय बीत चुका
part-instead = दूसरा इंजन
part-failed = विफल
part-loading = लोड हो रहा है
part-never = अभी नहीं हुआ

# A new case
form-title = नया केस
form-first = पहली पहचान
form-second = दूसरी पहचान
form-age = आयु (वर्ष)
form-sex = लिंग
form-smoking = धूम्रपान
form-specimen = नमूना
form-required = ज़रूरी
form-unknown = पता नहीं
form-open = केस खोलें
form-female = महिला
form-male = पुरुष
form-never = कभी नहीं
form-former = पहले
form-current = अभी
form-biopsy = बायोप्सी
form-cytology = साइटोलॉजी
form-resection = रिसेक्शन
form-age-wrong = आयु 0 से 120 के बीच होनी चाहिए
form-same = दोनों पहचान एक जैसी हैं
form-long = अधिकतम 64 अक्षर
form-unshown = एक अक्षर दिखाया नहीं जा सकता
form-other-second = केस { $cases } की पहली पहचान यही है, पर दूसरी अलग है। कोई और मरीज़ हो सकता है। दोनों जाँचें।
form-same-patient = मरीज़ वही है

# A case before it is handed over
draft-submit = आकलन के लिए भेजें
draft-empty = पहले CT या फ़ील्ड चाहिए
draft-earlier = इस मरीज़ के पिछले केस: { $cases }
draft-no-ct = अभी CT नहीं है
draft-no-lesion = CT है। लीज़न चिह्नित नहीं है: डिवाइस खुद चुनेगा
draft-ct = CT है और लीज़न चिह्नित है
draft-to-share = CT चुनें
draft-to-ct = लीज़न चिह्नित करें
draft-other-ct = दूसरा CT
draft-fields = { $count ->
    [0] अभी कोई फ़ील्ड नहीं
    [one] एक फ़ील्ड लिया गया
   *[other] { $count } फ़ील्ड लिए गए
}
draft-to-microscope = माइक्रोस्कोप पर जाएँ

# The CT
ct-looking = CT फ़ोल्डर में खोज जारी है
ct-reading = CT पढ़ा जा रहा है
ct-none = CT फ़ोल्डर में कोई CT नहीं है
ct-none-of-patient = CT फ़ोल्डर में इस मरीज़ की पहचान वाला CT नहीं है। दूसरे CT ये हैं:
ct-choose = CT चुनें। पहचान मिलाएँ।
ct-slices = { $count ->
    [one] { $count } स्लाइस
   *[other] { $count } स्लाइस
}
ct-other-id = इस CT में Patient ID { $found } है। केस { $case } का है। CT किसी और मरीज़ का हो सकता है।
ct-same-patient = उसी मरीज़ का है
ct-axial = एक्सियल
ct-coronal = कोरोनल
ct-sagittal = सैजिटल
ct-axial-slice = एक्सियल स्लाइस { $number } / { $count }
ct-coronal-slice = कोरोनल स्लाइस { $number } / { $count }
ct-sagittal-slice = सैजिटल स्लाइस { $number } / { $count }
ct-lung = फेफड़ा
ct-mediastinum = मीडियास्ट॰
ct-next-candidate = सुझाएँ
ct-set-lesion = लीज़न यहाँ तय करें
ct-no-id = बिना पहचान-संख्या

# The microscope
microscope-no-camera = कैमरे से तस्वीर नहीं आ रही
camera-busy = कोई दूसरा प्रोग्राम कैमरा इस्तेमाल कर रहा है
camera-hangs = कैमरा अटक गया है: निकालकर फिर लगाएँ
camera-format = इस कैमरे की तस्वीरें पढ़ी नहीं जा सकतीं
camera-large = कैमरे की तस्वीरें बहुत बड़ी हैं: छोटा आकार चुनें
microscope-preview = प्रीव्यू: फ़ील्ड लेने तक कुछ सहेजा नहीं जाता
microscope-preview-heat = प्रीव्यू, नेटवर्क की देखी जगहों के साथ: कुछ सहेजा नहीं जाता
microscope-heat = कहाँ देखता है
microscope-take = यह फ़ील्ड लें
microscope-auto = स्वतः
microscope-objective = ऑब्जेक्टिव { $name }
microscope-count = { $count ->
    [one] { $count } फ़ील्ड
   *[other] { $count } फ़ील्ड
}; { $left } और हों तो बेहतर
microscope-enough = { $count } फ़ील्ड: काफ़ी हैं
microscope-drop = फ़ील्ड { $number } हटाएँ
live-good = साफ़ है, ऊतक है: ले लें
live-blurred = फ़ाइन फ़ोकस घुमाएँ
live-no-tissue = ऊतक पर ले जाएँ
live-dark = रोशनी बढ़ाएँ
live-bright = रोशनी घटाएँ
live-no-colour = रंग नहीं है: स्टेन और कैमरा जाँचें
live-no-scale = स्केल पता नहीं: ऑब्जेक्टिव कैलिब्रेट करें
live-checking = तस्वीर जाँची जा रही है
live-not-he = यह रँगा हुआ ऊतक नहीं है: देखें कैमरे के नीचे क्या है
live-swapped = लाल और नीला बदल गए हैं: कैमरे का फ़ॉर्मेट जाँचें
live-moving = स्लाइड स्थिर रखें
live-taken = यह जगह ली जा चुकी है: आगे बढ़ें
live-stain = स्टेन असामान्य है: स्लाइड और व्हाइट बैलेंस जाँचें
live-pen = स्याही हो सकती है: उससे हटें
live-fold = ऊतक मुड़ा हो सकता है: मोड़ से हटें
live-bubble = हवा का बुलबुला हो सकता है: उससे हटें
live-warm = डिब्बा गरम है: नेटवर्क कम बार देखता है
live-hot = डिब्बा बहुत गरम है: नेटवर्क नहीं देखता
live-power = बिजली कमज़ोर है: नेटवर्क कम बार देखता है

# A case that waits
processing-title = केस का आकलन हो रहा है
processing-time = अब तक { $seconds } सेकंड; आम तौर पर { $usual } सेकंड
processing-time-alone = अब तक { $seconds } सेकंड
processing-cancel = रोकें और तैयारी पर लौटें
step-queue = कतार में
step-queue-before = { $count ->
    [0] अगली बारी इसी की है
    [one] पहले एक केस है
   *[other] पहले { $count } केस हैं
}
step-reading = छवियाँ पढ़ी और जाँची जा रही हैं
step-ct = CT में खोज और स्कोरिंग हो रही है
step-fields = फ़ील्ड की स्कोरिंग हो रही है
step-explaining = दोनों को तौला जा रहा है और देखी गई जगहें दिखाई जा रही हैं

# Before the result
first-title = छवियों में आपको क्या दिखता है? परिणाम दिखने से पहले बताएँ।
first-cannot-say = कहना संभव नहीं
first-reveal = इसे सहेजें और परिणाम दिखाएँ
first-no-image = कोई छवि नहीं है
picture-next = तस्वीर { $number } / { $count }

# A result. "Normal" is never said alone: see result-normal.
result-favours = साक्ष्य का झुकाव: { $class } ({ $share })
result-normal = इन छवियों में ट्यूमर का पैटर्न नहीं ({ $share }); इससे कैंसर की संभावना खारिज नहीं होती
result-figures = आँकड़े
result-weights = भार
result-looked = कहाँ देखा
result-limits = सीमाएँ ({ $count })
result-opinion = आपकी राय
result-export = एक्सपोर्ट
result-weakened = { $count ->
    [0] कोई सीमा ज्ञात नहीं
    [one] एक बात इस परिणाम को कमज़ोर करती है: पढ़ें
   *[other] { $count } बातें इस परिणाम को कमज़ोर करती हैं: पढ़ें
}
result-disagree = { $count ->
    [one] CT और H&E मेल नहीं खाते: सीमाएँ पढ़ें
   *[other] CT और H&E मेल नहीं खाते, और दूसरी बातें भी परिणाम को कमज़ोर करती हैं ({ $count }): सीमाएँ पढ़ें
}
class-adenocarcinoma = एडिनोकार्सिनोमा
class-squamous = स्क्वैमस सेल कार्सिनोमा
class-large-cell = लार्ज सेल कार्सिनोमा
class-nsclc-nos = NSCLC-NOS, लार्ज-सेल पैटर्न
class-small-cell = स्मॉल सेल कार्सिनोमा
class-normal = ट्यूमर का पैटर्न नहीं
branch-fused = दोनों
branch-ct = CT
branch-he = H&E
weights = CT का भार { $ct }, स्लाइड का { $he }
weights-compared = आयु, लिंग और धूम्रपान के साथ CT का भार { $ct } और स्लाइड का { $he }; इनके बिना CT का भार { $without } होता
weights-ct-alone = स्लाइड नहीं है: केवल CT पढ़ा गया
weights-he-alone = CT नहीं है: केवल स्लाइड पढ़ी गई
weights-unknown-average = पता नहीं (औसत लिया गया)
looked-none = कोई व्याख्या नहीं बनाई गई
looked-faithful = जाँचा गया: चिह्नित भाग के बिना परिणाम बदलता है
looked-unchecked = जाँचा नहीं गया: हो सकता है असली वजह न दिखे
looked-unreliable = कोई भरोसेमंद व्याख्या नहीं
looked-caption = मॉडल ने कहाँ देखा, न कि ट्यूमर कहाँ है
looked-map = मानचित्र { $share }
looked-method = { $method } ({ $number } / { $count })

# A refusal
refused-title = इन छवियों की स्कोरिंग नहीं होनी चाहिए
refused-why = कारण
refused-next = क्या करें
set-aside-why = इस केस में डिवाइस दो बार विफल हुआ। केस सहेजा हुआ है; अपने-आप दोबारा कोशिश नहीं होगी।
set-aside-again = एक बार और कोशिश करें

# What a person thinks of it
review-agree = सहमत
review-disagree = असहमत
review-save = मेरी राय सहेजें
review-reason = क्यों? कारण बताना ज़रूरी है।
review-kept = आपकी राय परिणाम के साथ सहेजी गई, आपकी भूमिका और समय सहित। इससे परिणाम में कुछ नहीं बदलता।
review-agreed-before = पिछली राय: सहमत
review-disagreed-before = पिछली राय: असहमत

# A case leaves the box
export-nowhere = इस डिवाइस में एक्सपोर्ट की जगह तय नहीं है
export-where = केस { $folder } में लिखा जाएगा। पहचान के साथ या बिना?
export-writing = केस { $folder } में लिखा जा रहा है
export-without = पहचान के बिना
export-with = पहचान के साथ
export-without-note = फ़ाइल में मरीज़ के लिए केवल केस नंबर है।
export-with-warning = फ़ाइल से पता चलता है कि मरीज़ कौन है। जिसे जानने का अधिकार नहीं, उसे न दें।
export-write = फ़ाइल लिखें
export-done = केस लिखा गया और वापस पढ़कर जाँचा गया। पेन ड्राइव निकाल सकते हैं।

# Settings
settings-title = सेटिंग
settings-language = भाषा और अक्षर
settings-log = लॉग
settings-verify = रिकॉर्ड जाँचें
settings-pins = PIN सेट करें
settings-about = यह डिवाइस
about-board = बोर्ड
about-version = वर्शन
about-bundle = बंडल
about-engine = इंजन
about-mirror = मिरर
language-unreviewed = अभी किसी चिकित्सक ने इस भाषा की समीक्षा नहीं की है। सुरक्षा की ज़रूरी बातें अंग्रेज़ी में भी दी गई हैं।
letters-plain = साधारण अक्षर
letters-large = बड़े अक्षर
pin-role = किसका PIN?
pin-new = नया PIN: 6 से 12 अंक
pin-again = वही एक बार और
pin-setting = PIN सेट हो रहा है
pin-differ = दोनों एक जैसे नहीं थे। नया PIN फिर से डालें।
log-reading = लॉग पढ़ा जा रहा है
log-head = बाद में यह साबित करने के लिए कि कुछ नहीं बदला, इसे लिख लें: { $head }
log-newer = नए
log-older = पुराने
done-control = कंट्रोल केस भेजा गया
done-verified = रिकॉर्ड पूरे हैं: कुछ नहीं बदला
done-pin-set = PIN सेट हो गया
part-update = अपडेट
update-installing = लगाया जा रहा है
update-installed = फिर से चालू करें
update-refused = अस्वीकृत
settings-restart = उपकरण फिर से चालू करें
settings-restart-sure = एक बार और: अभी चालू करें
done-restart = उपकरण फिर से शुरू हो रहा है। चल रहे केस नए सिरे से शुरू होंगे।
welcome-title = स्वागत है: भाषा चुनें
welcome-keys = इस उपकरण की कुंजियाँ
welcome-pin = व्यवस्थापक का PIN
welcome-onward = आगे
welcome-no-pin = अभी PIN के बिना
keys-records = मरीज़ों के रिकॉर्ड
keys-networks = नेटवर्क
key-box = इस उपकरण की कुंजी से सील हैं। डिस्क निकालने वाला उन्हें नहीं पढ़ सकता।
key-disk = ऐसी कुंजी से सील हैं जो उसी डिस्क पर है, क्योंकि इस उपकरण में TPM नहीं है। डिस्क ले जाने वाला उन्हें पढ़ सकता है।
key-pin = ऐसी कुंजी से सील हैं जिसे PIN खोलता है। हर बार चालू होने पर कोई उसे लिखता है।
key-file = पास में खुली रखी कुंजी से सील हैं। इससे कुछ भी सुरक्षित नहीं है।
key-development = इस उपकरण के लिए कोई भी नेटवर्क पर हस्ताक्षर कर सकता है: केवल परीक्षण के लिए, मरीज़ों के लिए कभी नहीं।
rescue-title = यह डिवाइस तैयार नहीं है
rescue-next = डिवाइस ने कुछ नहीं मिटाया। डिवाइस की देखभाल करने वाले से पूछें।

# Refusals
note-missing-slice = CT की एक स्लाइस गायब है।
next-missing-slice = पूरी सीरीज़ फिर से एक्सपोर्ट करें।
note-uneven-slices = CT स्लाइसों के बीच की दूरी समान नहीं है।
next-uneven-slices = समान दूरी वाला एक रीकंस्ट्रक्शन एक्सपोर्ट करें।
note-duplicate-slices = CT की दो स्लाइस एक ही जगह पर हैं।
next-duplicate-slices = सीरीज़ का एक ही स्कैन, बिना कॉपी के, एक्सपोर्ट करें।
note-mixed-geometry = CT की स्लाइसें एक ही समूह की नहीं हैं।
next-mixed-geometry = सीरीज़ को एक रीकंस्ट्रक्शन के रूप में फिर से एक्सपोर्ट करें।
note-two-patients = CT में एक से ज़्यादा मरीज़ हैं।
next-two-patients = एक ही मरीज़ का CT एक्सपोर्ट करें और फिर कोशिश करें।
note-several-series = एक से ज़्यादा CT सीरीज़ मिलीं; साफ़ नहीं कि कौन-सी चाहिए।
next-several-series = जो सीरीज़ चाहिए, केवल वही दें।
note-no-volume = यह एक्सियल CT सीरीज़ नहीं है।
next-no-volume = छाती की एक्सियल CT सीरीज़ एक्सपोर्ट करें।
note-lesion-outside-volume = चिह्नित लीज़न CT के बाहर है।
next-lesion-outside-volume = स्कैन किए गए भाग के अंदर लीज़न चिह्नित करें।
note-no-lesion-candidate = कोई लीज़न चिह्नित नहीं है, और कोई अलग से नहीं दिखता।
next-no-lesion-candidate = लीज़न हाथ से चिह्नित करें।
note-scale-unknown = छवि का स्केल पता नहीं है।
next-scale-unknown = ऑब्जेक्टिव कैलिब्रेट करें।
note-scale-too-coarse = छवि इतनी बारीक नहीं कि न्यूक्लियस दिखें।
next-scale-too-coarse = कम से कम 10x का ऑब्जेक्टिव लगाएँ।
note-not-colour = छवि में रंग नहीं है।
next-not-colour = H&E से रँगी स्लाइड की रंगीन छवि लें।
note-blank-image = छवि में ऊतक नहीं दिखता।
next-blank-image = ऊतक पर ले जाएँ।
note-too-dark = छवि बहुत अँधेरी है।
next-too-dark = रोशनी या एक्सपोज़र बढ़ाएँ।
note-blurred-image = छवि फ़ोकस में नहीं है।
next-blurred-image = न्यूक्लियस साफ़ दिखने तक फ़ाइन फ़ोकस घुमाएँ।
note-image-too-small = छवि बहुत छोटी है।
next-image-too-small = बड़ा फ़ील्ड लें।
note-too-little-tissue = ऊतक बहुत कम है।
next-too-little-tissue = ऊतक पर ले जाएँ।
note-stain-degenerate = स्टेन पढ़ा नहीं जा सकता।
next-stain-degenerate = H&E स्टेन और व्हाइट बैलेंस जाँचें।

# Limits
note-no-ct = CT नहीं था।
next-no-ct = केवल H&E छवियाँ पढ़ी गईं।
note-no-he = H&E छवि नहीं थी।
next-no-he = केवल CT पढ़ा गया।
note-metadata-missing = आयु, लिंग या धूम्रपान की जानकारी नहीं है।
next-metadata-missing = उसकी जगह ट्रेनिंग समूह का औसत लिया गया।
note-lesion-suggested = लीज़न डिवाइस ने चुना।
next-lesion-suggested = देखें कि घेरा सही लीज़न पर है।
note-patch-clipped = पढ़े गए भाग का कुछ हिस्सा CT के बाहर है।
next-patch-clipped = वह हिस्सा हवा के मान से भरा गया।
note-branches-disagree = CT और H&E का झुकाव अलग-अलग वर्गों की ओर है।
next-branches-disagree = दोनों पढ़ें और खुद तौलें।
note-field-left-out = एक फ़ील्ड छोड़ दिया गया।
next-field-left-out = वह फ़ील्ड फिर से लें।
note-few-tiles = पढ़ने के लिए ऊतक कम था।
next-few-tiles = ऊतक वाले फ़ील्ड जोड़ें।
note-stain-unusual = स्टेन आम तौर से अलग है।
next-stain-unusual = स्टेन और व्हाइट बैलेंस जाँचें।
note-thick-slices = CT की स्लाइसें मोटी हैं।
next-thick-slices = हो तो पतली स्लाइस वाला रीकंस्ट्रक्शन लें।
note-phantom-bundle = न्यूरल नेटवर्क कृत्रिम फ़ैंटम पर ट्रेन किए गए।
next-phantom-bundle = मरीज़ों पर इनके आँकड़ों का कोई अर्थ नहीं है।
note-control-overdue = कंट्रोल केस का समय बीत चुका है।
next-control-overdue = कंट्रोल केस आकलन के लिए भेजें।
note-control-failed = कंट्रोल केस में डिवाइस विफल रहा।
next-control-failed = परिणाम पर भरोसा न करें। डिवाइस की जाँच कराएँ।
note-clock-not-trusted = इस परिणाम की तारीख पक्की नहीं है।
next-clock-not-trusted = तारीख हाथ से लिख लें।
note-other-patient-id = CT किसी और Patient ID से आया।
next-other-patient-id = CT को मरीज़ के काग़ज़ों से मिलाएँ।
note-ct-revised = केस भेजने के बाद और स्लाइसें आईं।
next-ct-revised = पूरे CT के साथ नया केस खोलें।
note-outside-training-range = आयु, लिंग या धूम्रपान ट्रेनिंग की सीमा से बाहर है।
next-outside-training-range = CT और H&E को खुद तौलें।
