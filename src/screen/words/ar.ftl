# Arabic. Not reviewed by a speaker with a clinical background.

decimal-sign = .
percent = { $number }%
date = { $day } { $month ->
    [1] يناير
    [2] فبراير
    [3] مارس
    [4] أبريل
    [5] مايو
    [6] يونيو
    [7] يوليو
    [8] أغسطس
    [9] سبتمبر
    [10] أكتوبر
    [11] نوفمبر
   *[12] ديسمبر
} { $year }
moment = { $day } { $month ->
    [1] يناير
    [2] فبراير
    [3] مارس
    [4] أبريل
    [5] مايو
    [6] يونيو
    [7] يوليو
    [8] أغسطس
    [9] سبتمبر
    [10] أكتوبر
    [11] نوفمبر
   *[12] ديسمبر
} { $year }، { $time } UTC

# On every page
research-only = للبحث فقط: ليس تشخيصًا
clock-not-trusted = قد يكون التاريخ خاطئًا
back = رجوع
close = إغلاق
lock = قفل
cancel = إلغاء

# The keyboard
key-space = مسافة
key-erase = مسح
key-shift = Aa
key-more = المزيد
key-done = تم

# Lock
lock-title = من أنت؟
lock-role = اختر دورك
lock-pin = رمز PIN: { $role }
lock-starting = جارٍ بدء تشغيل الجهاز
lock-trying = جارٍ التحقق من رمز PIN
role-operator = المشغّل
role-reviewer = المراجع
role-administrator = المسؤول

# Why something was not done
denied-refused = لا يجوز فعل ذلك بهذه البيانات
denied-usage = لا يمكن فعل ذلك الآن
denied-unreadable = تعذّرت قراءة هذا
denied-internal = أخفق الجهاز في ذلك
denied-not-ready = الجهاز غير جاهز لذلك
denied-configuration = الجهاز غير مُعدّ لذلك
denied-pin-wrong = رمز PIN خاطئ
denied-pin-wait = تكرر إدخال رمز PIN خاطئ: انتظر
denied-role = دورك لا يسمح بذلك
denied-login = سجّل الدخول أولًا

# Home
home-cases = الحالات
home-no-cases = لا حالات اليوم
home-new = حالة جديدة
home-settings = الإعدادات
home-device = الجهاز
home-control-case = حالة ضبط
progress-draft = قيد التحضير
progress-queued = في الانتظار
progress-assessed = نتيجة
progress-refused = مرفوضة
progress-set-aside = معلّقة
progress-reviewed = روجعت
progress-exported = صُدّرت
part-camera = الكاميرا
part-share = مجلد CT
part-storage = التخزين
part-temperature = الحرارة
part-clock = الساعة
part-control = حالة الضبط
part-networks = الشبكات العصبية
part-well = على ما يرام
part-none = لا يوجد
part-gone = غير موجود
part-full = ممتلئ
part-warm = مرتفعة
part-hot = مرتفعة جدًا
part-unknown = غير معروف
part-not-trusted = قد تكون خاطئة
part-overdue = متأخرة
part-instead = محرك احتياطي
part-failed = إخفاق
part-loading = جارٍ التحميل
part-never = لم تُجرَ بعد

# A new case
form-title = حالة جديدة
form-first = المعرّف الأول
form-second = المعرّف الثاني
form-age = العمر بالسنوات
form-sex = الجنس
form-smoking = التدخين
form-specimen = العيّنة
form-required = مطلوب
form-unknown = غير معروف
form-open = فتح الحالة
form-female = أنثى
form-male = ذكر
form-never = أبدًا
form-former = سابقًا
form-current = حاليًا
form-biopsy = خزعة
form-cytology = فحص خلوي
form-resection = استئصال
form-age-wrong = يجب أن يكون العمر بين 0 و120
form-same = المعرّفان متطابقان
form-long = 64 حرفًا على الأكثر
form-unshown = لا يمكن عرض أحد الأحرف
form-other-second = للحالة { $cases } المعرّف الأول نفسه ومعرّف ثانٍ مختلف. قد يكون مريضًا آخر. تحقق من المعرّفين.
form-same-patient = هو المريض نفسه

# A case before it is handed over
draft-submit = إرسال للتقييم
draft-empty = يلزم أولًا فحص CT أو حقل
draft-earlier = حالات سابقة لهذا المريض: { $cases }
draft-no-ct = لا يوجد فحص CT بعد
draft-no-lesion = يوجد فحص CT. لم تُحدَّد آفة: سيختار الجهاز واحدة
draft-ct = يوجد فحص CT بآفة محدَّدة
draft-to-share = اختيار فحص CT
draft-to-ct = تحديد الآفة
draft-other-ct = فحص CT آخر
draft-fields = { $count ->
    [0] لا حقول بعد
    [one] التُقط حقل واحد
    [two] التُقط حقلان
    [few] التُقطت { $count } حقول
    [many] التُقط { $count } حقلًا
   *[other] التُقط { $count } حقل
}
draft-to-microscope = إلى المجهر

# The CT
ct-looking = جارٍ البحث في مجلد CT
ct-reading = جارٍ قراءة فحص CT
ct-none = لا يوجد فحص منتظر في مجلد CT
ct-none-of-patient = لا يوجد في مجلد CT فحص بمعرّف هذا المريض. توجد فحوص أخرى:
ct-choose = اختر فحص CT. قارن المعرّف.
ct-slices = { $count ->
    [0] لا مقاطع
    [one] مقطع واحد
    [two] مقطعان
    [few] { $count } مقاطع
    [many] { $count } مقطعًا
   *[other] { $count } مقطع
}
ct-other-id = معرّف المريض (Patient ID) في فحص CT هذا: { $found }. معرّف الحالة: { $case }. قد يكون الفحص لمريض آخر.
ct-same-patient = الفحص للمريض نفسه
ct-axial = محوري
ct-coronal = إكليلي
ct-sagittal = سهمي
ct-axial-slice = مقطع محوري { $number } من { $count }
ct-coronal-slice = مقطع إكليلي { $number } من { $count }
ct-sagittal-slice = مقطع سهمي { $number } من { $count }
ct-lung = الرئة
ct-mediastinum = المنصف
ct-next-candidate = اقتراح
ct-set-lesion = تثبيت الآفة هنا
ct-no-id = بلا معرّف

# The microscope
microscope-no-camera = لا صورة من الكاميرا
camera-busy = برنامج آخر يستخدم الكاميرا
camera-hangs = الكاميرا لا تستجيب: افصلها ثم أعد وصلها
camera-format = هذه الكاميرا لا تعطي صورًا يمكن قراءتها
camera-large = صور الكاميرا كبيرة جدًا: اختر حجمًا أصغر
microscope-preview = معاينة: لا يُحفظ منها شيء حتى تلتقط حقلًا
microscope-preview-heat = معاينة مع مواضع نظر الشبكة: لا يُحفظ منها شيء
microscope-heat = مواضع النظر
microscope-take = التقاط هذا الحقل
microscope-auto = تلقائي
microscope-objective = العدسة الشيئية { $name }
microscope-count = { $count ->
    [0] لا حقول
    [one] حقل واحد
    [two] حقلان
    [few] { $count } حقول
    [many] { $count } حقلًا
   *[other] { $count } حقل
}؛ يُفضَّل إضافة { $left }
microscope-enough = عدد الحقول { $count }: يكفي
microscope-drop = إزالة الحقل { $number }
live-good = الصورة حادة وفيها نسيج: التقطها
live-blurred = أدر الضبط الدقيق
live-no-tissue = انتقل إلى النسيج
live-dark = زد الإضاءة
live-bright = خفّض الإضاءة
live-no-colour = لا يوجد لون: افحص الصبغة والكاميرا
live-no-scale = المقياس غير معروف: عاير العدسة الشيئية
live-checking = جارٍ فحص الصورة
live-not-he = هذا ليس نسيجًا مصبوغًا: انظر ما تحت الكاميرا
live-swapped = الأحمر والأزرق متبادلان: افحص صيغة الكاميرا
live-moving = ثبّت الشريحة
live-taken = التُقط هذا الموضع: تابع التحريك
live-stain = الصبغة غير معتادة: افحص الشريحة وتوازن الأبيض
live-pen = قد يكون هناك حبر: ابتعد عنه
live-fold = قد يكون النسيج مطويًا: ابتعد عن الطية
live-bubble = قد تكون هناك فقاعة هواء: ابتعد عنها
live-warm = الجهاز دافئ: الشبكة تنظر أقل
live-hot = الجهاز ساخن جدًا: الشبكة لا تنظر
live-power = الطاقة ضعيفة: الشبكة تنظر أقل

# A case that waits
processing-title = جارٍ تقييم الحالة
processing-time = مضى { $seconds } ث؛ المعتاد { $usual } ث
processing-time-alone = مضى { $seconds } ث
processing-cancel = إيقاف والعودة إلى التحضير
step-queue = في الدور
step-queue-before = { $count ->
    [0] التالية في الدور
    [one] قبلها حالة واحدة
    [two] قبلها حالتان
    [few] قبلها { $count } حالات
    [many] قبلها { $count } حالة
   *[other] قبلها { $count } حالة
}
step-reading = قراءة الصور وفحصها
step-ct = البحث في فحص CT وتقييمه
step-fields = تقييم الحقول
step-explaining = الموازنة بينهما وإظهار مواضع النظر

# Before the result
first-title = ماذا ترى في الصور؟ أجب قبل عرض النتيجة.
first-cannot-say = لا يمكنني الجواب
first-reveal = حفظ الجواب وعرض النتيجة
first-no-image = لا توجد صورة
picture-next = الصورة { $number } من { $count }

# A result. "Normal" is never said alone: see result-normal.
result-favours = الأدلة تميل إلى: { $class } ({ $share })
result-normal = لا نمط ورمي في هذه الصور ({ $share })؛ وهذا لا ينفي وجود السرطان
result-figures = الأرقام
result-weights = الأوزان
result-looked = مواضع النظر
result-limits = القيود ({ $count })
result-opinion = رأيك
result-export = تصدير
result-weakened = { $count ->
    [0] لا قيود معروفة
    [one] أمر واحد يُضعف هذه النتيجة: اقرأه
    [two] أمران يُضعفان هذه النتيجة: اقرأهما
    [few] { $count } أمور تُضعف هذه النتيجة: اقرأها
    [many] { $count } أمرًا تُضعف هذه النتيجة: اقرأها
   *[other] { $count } أمر تُضعف هذه النتيجة: اقرأها
}
result-disagree = { $count ->
    [one] لا يتفق CT وH&E: اقرأ القيود
   *[other] لا يتفق CT وH&E، وهناك ما يُضعف النتيجة أيضًا ({ $count }): اقرأ القيود
}
class-adenocarcinoma = سرطانة غدية
class-squamous = سرطانة حرشفية الخلايا
class-large-cell = سرطانة كبيرة الخلايا
class-nsclc-nos = سرطانة NSCLC-NOS، نمط كبير الخلايا
class-small-cell = سرطانة صغيرة الخلايا
class-normal = لا نمط ورمي
branch-fused = كلاهما
branch-ct = CT
branch-he = H&E
weights = وزن CT { $ct }، ووزن الشريحة { $he }
weights-compared = مع العمر والجنس والتدخين: وزن CT { $ct } ووزن الشريحة { $he }؛ ومن دونها يكون وزن CT { $without }
weights-ct-alone = لا توجد شريحة: قُرئ فحص CT وحده
weights-he-alone = لا يوجد فحص CT: قُرئت الشريحة وحدها
weights-unknown-average = غير معروف (استُخدم المتوسط)
looked-none = لم يُنشأ تفسير
looked-faithful = تم التحقق: من دون ما هو معلَّم تتغير النتيجة
looked-unchecked = لم يُتحقق منه: قد لا يُظهر ما كان مؤثرًا
looked-unreliable = لا يوجد تفسير موثوق
looked-caption = مواضع نظر النموذج، لا مواضع أورام
looked-map = الخريطة { $share }
looked-method = { $method } ({ $number } من { $count })

# A refusal
refused-title = لا يجوز تقييم هذه الصور
refused-why = السبب
refused-next = ما ينبغي فعله
set-aside-why = أخفق الجهاز مرتين في هذه الحالة. هي محفوظة، ولن تُعاد المحاولة تلقائيًا.
set-aside-again = محاولة أخرى

# What a person thinks of it
review-agree = أوافق
review-disagree = لا أوافق
review-save = حفظ رأيي
review-reason = لماذا؟ السبب مطلوب.
review-kept = حُفظ رأيك بجانب النتيجة مع دورك والوقت. ولا يغيّر شيئًا في النتيجة.
review-agreed-before = آخر رأي: أوافق
review-disagreed-before = آخر رأي: لا أوافق

# A case leaves the box
export-nowhere = لم يُحدَّد في هذا الجهاز مكان للتصدير
export-where = ستُكتب الحالة في { $folder }. مع المعرّفات أم من دونها؟
export-writing = جارٍ كتابة الحالة في { $folder }
export-without = من دون المعرّفات
export-with = مع المعرّفات
export-without-note = لا يدل الملف على المريض إلا برقم الحالة.
export-with-warning = يكشف الملف هوية المريض. لا تعطه لمن لا يحق له معرفتها.
export-write = كتابة الملف
export-done = كُتبت الحالة وأُعيدت قراءتها. يمكن نزع ذاكرة USB.

# Settings
settings-title = الإعدادات
settings-language = اللغة والخط
settings-log = سجل الأحداث
settings-verify = فحص السجلات
settings-pins = تعيين رمز PIN
settings-about = هذا الجهاز
about-board = اللوحة
about-version = الإصدار
about-bundle = الحزمة
about-engine = المحرّك
about-mirror = النسخة المرآة
language-unreviewed = لم يراجع هذه اللغة مختص سريري بعد. ما يهم السلامة مكتوب بالإنجليزية أيضًا.
letters-plain = خط عادي
letters-large = خط كبير
pin-role = رمز PIN لمن؟
pin-new = رمز PIN جديد: من 6 إلى 12 رقمًا
pin-again = أدخله مرة أخرى
pin-setting = يجري حفظ PIN
pin-differ = الرمزان غير متطابقين. أدخل رمز PIN الجديد ثانيةً.
log-reading = جارٍ قراءة سجل الأحداث
log-head = دوّن هذا لتثبت لاحقًا أن شيئًا لم يتغير: { $head }
log-newer = الأحدث
log-older = الأقدم
done-control = أُرسلت حالة ضبط
done-verified = السجلات كاملة: لم يتغير شيء
done-pin-set = تم تعيين رمز PIN
part-update = التحديث
update-installing = قيد التثبيت
update-installed = أعد التشغيل
update-refused = مرفوض
settings-restart = إعادة تشغيل الجهاز
settings-restart-sure = مرة أخرى: أعد التشغيل
done-restart = يعاد تشغيل الجهاز. تبدأ الحالات الجارية من جديد.
welcome-title = مرحبًا: اختر اللغة
welcome-keys = مفاتيح هذا الجهاز
welcome-pin = رمز PIN للمدير
welcome-onward = متابعة
welcome-no-pin = بدون PIN الآن
keys-records = سجلات المرضى
keys-networks = الشبكات
key-box = مختومة بمفتاح هذا الجهاز. من يأخذ القرص لا يستطيع قراءتها.
key-disk = مختومة بمفتاح على القرص نفسه، لأن الجهاز بلا TPM. من يأخذ القرص يستطيع قراءتها.
key-pin = مختومة بمفتاح يفتحه رمز PIN. يُكتب بعد كل تشغيل.
key-file = مختومة بمفتاح مكشوف بجانبها. وهذا لا يحمي شيئًا.
key-development = يمكن لأي شخص توقيع شبكات لهذا الجهاز: للتجربة فقط، وليس للمرضى أبدًا.
rescue-title = هذا الجهاز غير جاهز
rescue-next = لم يمحُ الجهاز شيئًا. اسأل القائم على الجهاز.

# Refusals
note-missing-slice = ينقص مقطع من فحص CT.
next-missing-slice = أعد تصدير السلسلة كاملة.
note-uneven-slices = المسافات بين مقاطع CT غير متساوية.
next-uneven-slices = صدّر إعادة بناء واحدة بمسافات متساوية بين المقاطع.
note-duplicate-slices = يقع مقطعان من فحص CT في موضع واحد.
next-duplicate-slices = صدّر مسحًا واحدًا من السلسلة من دون نسخ مكررة.
note-mixed-geometry = مقاطع CT لا تنتمي إلى مجموعة واحدة.
next-mixed-geometry = أعد تصدير السلسلة بإعادة بناء واحدة.
note-two-patients = في فحص CT أكثر من مريض.
next-two-patients = صدّر صور مريض واحد وحاول ثانيةً.
note-several-series = قد تكون المقصودة أكثر من سلسلة CT.
next-several-series = أعطِ السلسلة المقصودة وحدها.
note-no-volume = هذه ليست سلسلة CT محورية.
next-no-volume = صدّر سلسلة CT محورية للصدر.
note-lesion-outside-volume = الآفة المحدَّدة تقع خارج فحص CT.
next-lesion-outside-volume = حدّد الآفة داخل الحجم الممسوح.
note-no-lesion-candidate = لم تُحدَّد آفة، ولا تبرز أي آفة.
next-no-lesion-candidate = حدّد الآفة يدويًا.
note-scale-unknown = مقياس الصورة غير معروف.
next-scale-unknown = عاير العدسة الشيئية.
note-scale-too-coarse = دقة الصورة لا تكفي لإظهار النوى.
next-scale-too-coarse = استخدم عدسة شيئية 10x على الأقل.
note-not-colour = الصورة بلا ألوان.
next-not-colour = التقط صورة ملونة لشريحة مصبوغة بصبغة H&E.
note-blank-image = لا يظهر نسيج في الصورة.
next-blank-image = انتقل إلى النسيج.
note-too-dark = الصورة مظلمة جدًا.
next-too-dark = زد الإضاءة أو التعريض.
note-blurred-image = الصورة غير حادة.
next-blurred-image = أدر الضبط الدقيق حتى تظهر النوى بحدة.
note-image-too-small = الصورة صغيرة جدًا.
next-image-too-small = التقط حقلًا أكبر.
note-too-little-tissue = النسيج قليل جدًا.
next-too-little-tissue = انتقل إلى النسيج.
note-stain-degenerate = تعذّرت قراءة الصبغة.
next-stain-degenerate = افحص صبغة H&E وتوازن الأبيض.

# Limits
note-no-ct = لم يكن هناك فحص CT.
next-no-ct = قُرئت صور H&E وحدها.
note-no-he = لم تكن هناك صورة H&E.
next-no-he = قُرئ فحص CT وحده.
note-metadata-missing = العمر أو الجنس أو التدخين غير معروف.
next-metadata-missing = استُخدم بدلًا منه متوسط مجموعة التدريب.
note-lesion-suggested = اختار الجهاز الآفة.
next-lesion-suggested = تحقق من وقوع الحلقة على الآفة المقصودة.
note-patch-clipped = جزء مما قُرئ يقع خارج فحص CT.
next-patch-clipped = مُلئ ذلك الجزء بقيمة الهواء.
note-branches-disagree = يميل CT وH&E إلى صنفين مختلفين.
next-branches-disagree = اقرأ الاثنين ووازن بينهما بنفسك.
note-field-left-out = استُبعد حقل.
next-field-left-out = التقط الحقل من جديد.
note-few-tiles = كان النسيج المقروء قليلًا.
next-few-tiles = أضف حقولًا فيها نسيج.
note-stain-unusual = الصبغة غير معتادة.
next-stain-unusual = افحص الصبغة وتوازن الأبيض.
note-thick-slices = مقاطع CT سميكة.
next-thick-slices = استخدم إعادة بناء أرق إن وُجدت.
note-phantom-bundle = دُرّبت الشبكات العصبية على فانتومات اصطناعية.
next-phantom-bundle = لا معنى لأرقامها عند المرضى.
note-control-overdue = تأخرت حالة الضبط عن موعدها.
next-control-overdue = أرسل حالة الضبط للتقييم.
note-control-failed = أخفق الجهاز في حالة الضبط.
next-control-failed = لا تعتمد على النتيجة. اطلب فحص الجهاز.
note-clock-not-trusted = تاريخ هذه النتيجة غير مؤكد.
next-clock-not-trusted = دوّن التاريخ بيدك.
note-other-patient-id = ورد فحص CT بمعرّف مريض (Patient ID) آخر.
next-other-patient-id = قارن فحص CT بأوراق المريض.
note-ct-revised = وصلت مقاطع أخرى بعد إرسال الحالة.
next-ct-revised = افتح حالة جديدة بفحص CT الكامل.
note-outside-training-range = العمر أو الجنس أو التدخين خارج نطاق التدريب.
next-outside-training-range = وازن بين CT وH&E بنفسك.
