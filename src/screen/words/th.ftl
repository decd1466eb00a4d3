# Thai. Not reviewed by a speaker with a clinical background.

decimal-sign = .
percent = { $number }%
date = { $day } { $month ->
    [1] ม.ค.
    [2] ก.พ.
    [3] มี.ค.
    [4] เม.ย.
    [5] พ.ค.
    [6] มิ.ย.
    [7] ก.ค.
    [8] ส.ค.
    [9] ก.ย.
    [10] ต.ค.
    [11] พ.ย.
   *[12] ธ.ค.
} { $buddhist }
moment = { $day } { $month ->
    [1] ม.ค.
    [2] ก.พ.
    [3] มี.ค.
    [4] เม.ย.
    [5] พ.ค.
    [6] มิ.ย.
    [7] ก.ค.
    [8] ส.ค.
    [9] ก.ย.
    [10] ต.ค.
    [11] พ.ย.
   *[12] ธ.ค.
} { $buddhist }, { $time } UTC

# On every page
research-only = ใช้เพื่อการวิจัยเท่านั้น: ไม่ใช่การวินิจฉัย
clock-not-trusted = วันที่อาจไม่ถูกต้อง
back = กลับ
close = ปิด
lock = ล็อก
cancel = ยกเลิก

# The keyboard
key-space = เว้นวรรค
key-erase = ลบ
key-shift = Aa
key-more = เพิ่มเติม
key-done = เสร็จ

# Lock
lock-title = คุณคือใคร
lock-role = เลือกบทบาทของคุณ
lock-pin = PIN ของ{ $role }
lock-starting = เครื่องกำลังเริ่มทำงาน
lock-trying = กำลังตรวจ PIN
role-operator = ผู้ใช้เครื่อง
role-reviewer = ผู้ทบทวน
role-administrator = ผู้ดูแลระบบ

# Why something was not done
denied-refused = ห้ามทำสิ่งนี้กับข้อมูลชุดนี้
denied-usage = ขณะนี้ทำสิ่งนี้ไม่ได้
denied-unreadable = อ่านข้อมูลนี้ไม่ได้
denied-internal = เครื่องขัดข้อง ทำสิ่งนี้ไม่สำเร็จ
denied-not-ready = เครื่องยังไม่พร้อมทำสิ่งนี้
denied-configuration = เครื่องไม่ได้ตั้งค่าให้ทำสิ่งนี้
denied-pin-wrong = PIN ไม่ถูกต้อง
denied-pin-wait = ใส่ PIN ผิดหลายครั้ง: รอสักครู่
denied-role = บทบาทของคุณไม่มีสิทธิ์ทำสิ่งนี้
denied-login = เข้าสู่ระบบก่อน

# Home
home-cases = เคส
home-no-cases = วันนี้ไม่มีเคส
home-new = เคสใหม่
home-settings = ตั้งค่า
home-device = เครื่อง
home-control-case = เคสควบคุม
progress-draft = กำลังเตรียม
progress-queued = รอคิว
progress-assessed = มีผลแล้ว
progress-refused = ไม่รับ
progress-set-aside = พักไว้
progress-reviewed = ทบทวนแล้ว
progress-exported = ส่งออกแล้ว
part-camera = กล้อง
part-share = โฟลเดอร์ CT
part-storage = ที่เก็บข้อมูล
part-temperature = อุณหภูมิ
part-clock = นาฬิกา
part-control = เคสควบคุม
part-networks = โครงข่ายประสาทเทียม
part-well = ใช้ได้
part-none = ไม่มี
part-gone = หาไม่พบ
part-full = เต็ม
part-warm = อุ่น
part-hot = ร้อนเกินไป
part-unknown = ไม่ทราบ
part-not-trusted = อาจไม่ตรง
part-overdue = เกินกำหนด
part-instead = ระบบสำรอง
part-failed = ไม่ผ่าน
part-loading = กำลังโหลด
part-never = ยังไม่เคยทำ

# A new case
form-title = เคสใหม่
form-first = ตัวบ่งชี้ที่ 1
form-second = ตัวบ่งชี้ที่ 2
form-age = อายุ (ปี)
form-sex = เพศ
form-smoking = การสูบบุหรี่
form-specimen = สิ่งส่งตรวจ
form-required = ต้องกรอก
form-unknown = ไม่ทราบ
form-open = เปิดเคส
form-female = หญิง
form-male = ชาย
form-never = ไม่เคยสูบ
form-former = เคยสูบ
form-current = สูบอยู่
form-biopsy = ไบออปซี
form-cytology = เซลล์วิทยา
form-resection = ชิ้นเนื้อผ่าตัด
form-age-wrong = อายุต้องอยู่ระหว่าง 0 ถึง 120
form-same = ตัวบ่งชี้ทั้งสองเหมือนกัน
form-long = ไม่เกิน 64 ตัวอักษร
form-unshown = มีอักขระที่แสดงไม่ได้
form-other-second = เคส { $cases } มีตัวบ่งชี้ที่ 1 ตรงกัน แต่ตัวบ่งชี้ที่ 2 ต่างกัน อาจเป็นผู้ป่วยคนอื่น ตรวจดูทั้งสองตัว
form-same-patient = เป็นผู้ป่วยคนเดียวกัน

# A case before it is handed over
draft-submit = ส่งประเมิน
draft-empty = ต้องมี CT หรือฟิลด์ก่อน
draft-earlier = เคสก่อนหน้าของผู้ป่วยคนนี้: { $cases }
draft-no-ct = ยังไม่มี CT
draft-no-lesion = มี CT แล้ว ยังไม่ได้ระบุรอยโรค: เครื่องจะเลือกเอง
draft-ct = มี CT ที่ระบุรอยโรคแล้ว
draft-to-share = เลือก CT
draft-to-ct = ระบุรอยโรค
draft-other-ct = CT อื่น
draft-fields = { $count ->
    [0] ยังไม่มีฟิลด์
   *[other] ถ่ายแล้ว { $count } ฟิลด์
}
draft-to-microscope = ไปที่กล้องจุลทรรศน์

# The CT
ct-looking = กำลังค้นหาในโฟลเดอร์ CT
ct-reading = กำลังอ่าน CT
ct-none = ไม่มี CT รออยู่ในโฟลเดอร์
ct-none-of-patient = ในโฟลเดอร์ไม่มี CT ที่มีตัวบ่งชี้ของผู้ป่วยคนนี้ มีแต่ CT อื่น:
ct-choose = เลือก CT แล้วเทียบตัวบ่งชี้
ct-slices = { $count } ภาพตัด
ct-other-id = CT นี้มี Patient ID { $found } แต่เคสนี้เป็นของ { $case } อาจเป็น CT ของผู้ป่วยคนอื่น
ct-same-patient = เป็นของผู้ป่วยคนเดียวกัน
ct-axial = แอกเซียล
ct-coronal = โคโรนัล
ct-sagittal = แซจิทัล
ct-axial-slice = ภาพตัดแอกเซียล { $number } จาก { $count }
ct-coronal-slice = ภาพตัดโคโรนัล { $number } จาก { $count }
ct-sagittal-slice = ภาพตัดแซจิทัล { $number } จาก { $count }
ct-lung = ปอด
ct-mediastinum = ประจันอก
ct-next-candidate = เสนอจุด
ct-set-lesion = กำหนดรอยโรคที่นี่
ct-no-id = ไม่มีตัวบ่งชี้

# The microscope
microscope-no-camera = ไม่มีภาพจากกล้อง
camera-busy = โปรแกรมอื่นใช้กล้องอยู่
camera-hangs = กล้องค้าง: ถอดแล้วเสียบใหม่
camera-format = กล้องนี้ไม่ให้ภาพที่อ่านได้
camera-large = ภาพจากกล้องใหญ่เกินไป: เลือกขนาดเล็กลง
microscope-preview = พรีวิว: ไม่มีการเก็บภาพจนกว่าจะถ่ายฟิลด์
microscope-preview-heat = พรีวิวพร้อมแสดงจุดที่โครงข่ายมอง: ไม่มีการเก็บภาพ
microscope-heat = จุดที่มอง
microscope-take = ถ่ายฟิลด์นี้
microscope-auto = อัตโนมัติ
microscope-objective = เลนส์วัตถุ { $name }
microscope-count = มี { $count } ฟิลด์ เพิ่มอีก { $left } ฟิลด์จะดีกว่า
microscope-enough = { $count } ฟิลด์: พอแล้ว
microscope-drop = เอาฟิลด์ { $number } ออก
live-good = ภาพชัด มีเนื้อเยื่อ: ถ่ายได้
live-blurred = หมุนปุ่มปรับภาพละเอียด
live-no-tissue = เลื่อนไปที่เนื้อเยื่อ
live-dark = เพิ่มแสง
live-bright = ลดแสง
live-no-colour = ภาพไม่มีสี: ตรวจการย้อมสีและกล้อง
live-no-scale = ไม่ทราบมาตราส่วน: สอบเทียบเลนส์วัตถุ
live-checking = กำลังตรวจภาพ
live-not-he = ไม่ใช่เนื้อเยื่อที่ย้อมสี: ดูว่ามีอะไรอยู่ใต้กล้อง
live-swapped = สีแดงกับสีน้ำเงินสลับกัน: ตรวจรูปแบบภาพของกล้อง
live-moving = หยุดเลื่อนสไลด์
live-taken = ถ่ายตรงนี้แล้ว: เลื่อนต่อไป
live-stain = สีย้อมผิดปกติ: ตรวจสไลด์และสมดุลสีขาว
live-pen = อาจมีหมึกปากกา: เลื่อนออกไป
live-fold = เนื้อเยื่ออาจพับ: เลื่อนออกจากรอยพับ
live-bubble = อาจมีฟองอากาศ: เลื่อนออกไป
live-warm = เครื่องอุ่น: เครือข่ายดูน้อยลง
live-hot = เครื่องร้อนเกินไป: เครือข่ายหยุดดู
live-power = ไฟเลี้ยงอ่อน: เครือข่ายดูน้อยลง

# A case that waits
processing-title = กำลังประเมินเคส
processing-time = ผ่านไป { $seconds } วินาที มักใช้ { $usual } วินาที
processing-time-alone = ผ่านไป { $seconds } วินาที
processing-cancel = หยุด แล้วกลับไปเตรียมเคส
step-queue = อยู่ในคิว
step-queue-before = { $count ->
    [0] คิวถัดไป
   *[other] มีก่อนหน้า { $count } เคส
}
step-reading = อ่านและตรวจภาพ
step-ct = ค้นหาและให้คะแนน CT
step-fields = ให้คะแนนฟิลด์
step-explaining = ชั่งน้ำหนักทั้งสองส่วน และแสดงจุดที่มอง

# Before the result
first-title = คุณเห็นอะไรในภาพ ตอบก่อนแสดงผล
first-cannot-say = บอกไม่ได้
first-reveal = เก็บคำตอบนี้ แล้วแสดงผล
first-no-image = ไม่มีภาพ
picture-next = ภาพ { $number } จาก { $count }

# A result. "Normal" is never said alone: see result-normal.
result-favours = หลักฐานโน้มไปทาง: { $class } ({ $share })
result-normal = ไม่พบลักษณะเนื้องอกในภาพเหล่านี้ ({ $share }) แต่ไม่ได้หมายความว่าไม่มีมะเร็ง
result-figures = ตัวเลข
result-weights = น้ำหนัก
result-looked = จุดที่มอง
result-limits = ข้อจำกัด ({ $count })
result-opinion = ความเห็นของคุณ
result-export = ส่งออก
result-weakened = { $count ->
    [0] ไม่มีข้อจำกัดที่ทราบ
   *[other] มี { $count } ข้อที่ทำให้ผลนี้น่าเชื่อถือน้อยลง: โปรดอ่าน
}
result-disagree = { $count ->
    [1] CT กับ H&E ไม่ตรงกัน: อ่านข้อจำกัด
   *[other] CT กับ H&E ไม่ตรงกัน และมีข้ออื่นที่ทำให้ผลน่าเชื่อถือน้อยลง ({ $count }): อ่านข้อจำกัด
}
class-adenocarcinoma = อะดีโนคาร์ซิโนมา
class-squamous = มะเร็งสความัสเซลล์
class-large-cell = มะเร็งเซลล์ขนาดใหญ่
class-nsclc-nos = NSCLC-NOS ลักษณะเซลล์ขนาดใหญ่
class-small-cell = มะเร็งเซลล์ขนาดเล็ก
class-normal = ไม่พบลักษณะเนื้องอก
branch-fused = ทั้งสอง
branch-ct = CT
branch-he = H&E
weights = น้ำหนัก: CT { $ct }, สไลด์ { $he }
weights-compared = เมื่อใช้อายุ เพศ และการสูบบุหรี่ CT มีน้ำหนัก { $ct } และสไลด์ { $he } ถ้าไม่มีข้อมูลนี้ CT จะมีน้ำหนัก { $without }
weights-ct-alone = ไม่มีสไลด์: อ่านเฉพาะ CT
weights-he-alone = ไม่มี CT: อ่านเฉพาะสไลด์
weights-unknown-average = ไม่ทราบ (ใช้ค่าเฉลี่ยแทน)
looked-none = ไม่ได้สร้างคำอธิบาย
looked-faithful = ตรวจแล้ว: ถ้าไม่มีส่วนที่ทำเครื่องหมาย ผลจะเปลี่ยน
looked-unchecked = ไม่ได้ตรวจ: อาจไม่ได้แสดงส่วนที่มีผลจริง
looked-unreliable = ไม่มีคำอธิบายที่เชื่อถือได้
looked-caption = จุดที่โมเดลมอง ไม่ใช่ตำแหน่งเนื้องอก
looked-map = แผนที่ { $share }
looked-method = { $method } ({ $number } จาก { $count })

# A refusal
refused-title = ห้ามให้คะแนนภาพเหล่านี้
refused-why = เหตุผล
refused-next = สิ่งที่ต้องทำ
set-aside-why = เครื่องขัดข้องกับเคสนี้ 2 ครั้ง เคสยังเก็บไว้ และเครื่องจะไม่ลองใหม่เอง
set-aside-again = ลองอีกครั้ง

# What a person thinks of it
review-agree = เห็นด้วย
review-disagree = ไม่เห็นด้วย
review-save = บันทึกความเห็น
review-reason = เพราะเหตุใด ต้องระบุเหตุผล
review-kept = เก็บความเห็นของคุณไว้คู่กับผล พร้อมบทบาทและเวลา โดยผลไม่เปลี่ยน
review-agreed-before = ความเห็นล่าสุด: เห็นด้วย
review-disagreed-before = ความเห็นล่าสุด: ไม่เห็นด้วย

# A case leaves the box
export-nowhere = เครื่องนี้ยังไม่ได้กำหนดที่ส่งออก
export-where = เคสจะถูกเขียนลง { $folder } ใส่ตัวบ่งชี้ผู้ป่วยหรือไม่
export-writing = กำลังเขียนเคสลง { $folder }
export-without = ไม่ใส่ตัวบ่งชี้
export-with = ใส่ตัวบ่งชี้
export-without-note = ไฟล์ระบุผู้ป่วยด้วยหมายเลขเคสเท่านั้น
export-with-warning = ไฟล์นี้บอกว่าผู้ป่วยคือใคร ห้ามให้ผู้ที่ไม่มีสิทธิ์รู้
export-write = เขียนไฟล์
export-done = เขียนเคสและอ่านทวนแล้ว ถอดแฟลชไดรฟ์ได้

# Settings
settings-title = ตั้งค่า
settings-language = ภาษาและตัวอักษร
settings-log = บันทึกเหตุการณ์
settings-verify = ตรวจข้อมูลบันทึก
settings-pins = ตั้ง PIN
settings-about = เครื่องนี้
about-board = บอร์ด
about-version = เวอร์ชัน
about-bundle = ชุดโมเดล
about-engine = เอนจิน
about-mirror = มิเรอร์
language-unreviewed = ยังไม่มีบุคลากรทางคลินิกตรวจทานภาษานี้ ข้อความสำคัญด้านความปลอดภัยมีภาษาอังกฤษกำกับด้วย
letters-plain = ตัวอักษรธรรมดา
letters-large = ตัวอักษรใหญ่
pin-role = PIN ของใคร
pin-new = PIN ใหม่: ตัวเลข 6 ถึง 12 หลัก
pin-again = ใส่ซ้ำอีกครั้ง
pin-setting = กำลังตั้ง PIN
pin-differ = PIN สองครั้งไม่ตรงกัน ใส่ PIN ใหม่อีกครั้ง
log-reading = กำลังอ่านบันทึกเหตุการณ์
log-head = จดค่านี้ไว้ เพื่อพิสูจน์ภายหลังว่าไม่มีการแก้ไข: { $head }
log-newer = ใหม่กว่า
log-older = เก่ากว่า
done-control = ส่งเคสควบคุมแล้ว
done-verified = ข้อมูลบันทึกครบถ้วน: ไม่มีการแก้ไข
done-pin-set = ตั้ง PIN แล้ว
part-update = การอัปเดต
update-installing = กำลังติดตั้ง
update-installed = เริ่มเครื่องใหม่
update-refused = ถูกปฏิเสธ
settings-restart = เริ่มเครื่องใหม่
settings-restart-sure = กดอีกครั้ง: เริ่มใหม่
done-restart = เครื่องกำลังเริ่มใหม่ เคสที่ทำอยู่จะเริ่มอีกครั้ง
welcome-title = ยินดีต้อนรับ: เลือกภาษา
welcome-keys = กุญแจของเครื่องนี้
welcome-pin = PIN ของผู้ดูแลระบบ
welcome-onward = ต่อไป
welcome-no-pin = ยังไม่ใช้ PIN
keys-records = ข้อมูลผู้ป่วย
keys-networks = เครือข่าย
key-box = ถูกผนึกด้วยกุญแจของเครื่องนี้ ผู้ที่ถอดดิสก์ออกไปอ่านไม่ได้
key-disk = ถูกผนึกด้วยกุญแจที่อยู่บนดิสก์เดียวกัน เพราะเครื่องนี้ไม่มี TPM ผู้ที่นำดิสก์ไปอ่านได้
key-pin = ถูกผนึกด้วยกุญแจที่ PIN เปิด ต้องใส่ทุกครั้งที่เปิดเครื่อง
key-file = ถูกผนึกด้วยกุญแจที่วางอยู่ข้างกัน ซึ่งไม่ได้ปกป้องอะไร
key-development = ใครก็ลงนามเครือข่ายให้เครื่องนี้ได้: สำหรับทดลองเท่านั้น ห้ามใช้กับผู้ป่วย
rescue-title = เครื่องนี้ยังไม่พร้อม
rescue-next = เครื่องไม่ได้ลบสิ่งใด สอบถามผู้ดูแลเครื่อง

# Refusals
note-missing-slice = CT มีภาพตัดขาดหายไป
next-missing-slice = ส่งออกทั้งซีรีส์อีกครั้ง
note-uneven-slices = ระยะห่างของภาพตัด CT ไม่เท่ากัน
next-uneven-slices = ส่งออก reconstruction ชุดเดียวที่ภาพตัดห่างเท่ากัน
note-duplicate-slices = ภาพตัด CT 2 ภาพอยู่ตำแหน่งเดียวกัน
next-duplicate-slices = ส่งออกการสแกนครั้งเดียวของซีรีส์ ไม่ให้มีภาพซ้ำ
note-mixed-geometry = ภาพตัด CT ไม่ได้เป็นชุดเดียวกัน
next-mixed-geometry = ส่งออกซีรีส์อีกครั้งเป็น reconstruction ชุดเดียว
note-two-patients = CT นี้มีผู้ป่วยมากกว่า 1 คน
next-two-patients = ส่งออกผู้ป่วยคนเดียว แล้วลองใหม่
note-several-series = มีซีรีส์ CT ที่เป็นไปได้มากกว่า 1 ซีรีส์
next-several-series = ให้เฉพาะซีรีส์ที่ต้องการ
note-no-volume = ไม่ใช่ซีรีส์ CT แนวแอกเซียล
next-no-volume = ส่งออกซีรีส์ CT ทรวงอกแนวแอกเซียล
note-lesion-outside-volume = รอยโรคที่ระบุอยู่นอก CT
next-lesion-outside-volume = ระบุรอยโรคภายในบริเวณที่สแกน
note-no-lesion-candidate = ไม่ได้ระบุรอยโรค และไม่มีจุดใดเด่นชัด
next-no-lesion-candidate = ระบุรอยโรคด้วยตนเอง
note-scale-unknown = ไม่ทราบมาตราส่วนของภาพ
next-scale-unknown = สอบเทียบเลนส์วัตถุ
note-scale-too-coarse = ภาพหยาบเกินกว่าจะเห็นนิวเคลียส
next-scale-too-coarse = ใช้เลนส์วัตถุ 10x ขึ้นไป
note-not-colour = ภาพไม่มีสี
next-not-colour = ถ่ายภาพสีของสไลด์ที่ย้อม H&E
note-blank-image = ไม่เห็นเนื้อเยื่อในภาพ
next-blank-image = เลื่อนไปที่เนื้อเยื่อ
note-too-dark = ภาพมืดเกินไป
next-too-dark = เพิ่มแสงหรือค่าเปิดรับแสง
note-blurred-image = ภาพไม่ชัด
next-blurred-image = หมุนปุ่มปรับภาพละเอียดจนนิวเคลียสคมชัด
note-image-too-small = ภาพเล็กเกินไป
next-image-too-small = ถ่ายฟิลด์ที่ใหญ่ขึ้น
note-too-little-tissue = เนื้อเยื่อน้อยเกินไป
next-too-little-tissue = เลื่อนไปที่เนื้อเยื่อ
note-stain-degenerate = อ่านสีย้อมไม่ได้
next-stain-degenerate = ตรวจการย้อม H&E และสมดุลแสงขาว

# Limits
note-no-ct = ไม่มี CT
next-no-ct = อ่านเฉพาะภาพ H&E
note-no-he = ไม่มีภาพ H&E
next-no-he = อ่านเฉพาะ CT
note-metadata-missing = ไม่ทราบอายุ เพศ หรือการสูบบุหรี่
next-metadata-missing = ใช้ค่าเฉลี่ยของกลุ่มข้อมูลฝึกแทน
note-lesion-suggested = เครื่องเป็นผู้เลือกรอยโรค
next-lesion-suggested = ตรวจว่าวงแหวนอยู่ที่รอยโรคที่ต้องการ
note-patch-clipped = บางส่วนที่อ่านอยู่นอก CT
next-patch-clipped = ส่วนนั้นถูกเติมด้วยค่าของอากาศ
note-branches-disagree = CT กับ H&E โน้มไปคนละชนิด
next-branches-disagree = อ่านทั้งสองส่วน แล้วชั่งน้ำหนักเอง
note-field-left-out = มีฟิลด์ที่ไม่ได้ใช้
next-field-left-out = ถ่ายฟิลด์นั้นใหม่
note-few-tiles = มีเนื้อเยื่อให้อ่านน้อย
next-few-tiles = เพิ่มฟิลด์ที่มีเนื้อเยื่อ
note-stain-unusual = สีย้อมต่างจากที่พบทั่วไป
next-stain-unusual = ตรวจการย้อมสีและสมดุลแสงขาว
note-thick-slices = ภาพตัด CT หนา
next-thick-slices = ใช้ reconstruction ที่บางกว่า ถ้ามี
note-phantom-bundle = โครงข่ายประสาทเทียมฝึกด้วยแฟนทอมสังเคราะห์
next-phantom-bundle = ตัวเลขที่ได้ไม่มีความหมายกับผู้ป่วย
note-control-overdue = เคสควบคุมเกินกำหนด
next-control-overdue = ส่งเคสควบคุมไปประเมิน
note-control-failed = เครื่องไม่ผ่านเคสควบคุม
next-control-failed = อย่าเชื่อถือผลนี้ ให้ช่างตรวจเครื่อง
note-clock-not-trusted = วันที่ของผลนี้ไม่แน่นอน
next-clock-not-trusted = จดวันที่ด้วยมือ
note-other-patient-id = CT มาพร้อม Patient ID อื่น
next-other-patient-id = เทียบ CT กับเอกสารของผู้ป่วย
note-ct-revised = มีภาพตัดเพิ่มเข้ามาหลังส่งเคส
next-ct-revised = เปิดเคสใหม่ด้วย CT ที่ครบ
note-outside-training-range = อายุ เพศ หรือการสูบบุหรี่อยู่นอกช่วงของข้อมูลฝึก
next-outside-training-range = ชั่งน้ำหนัก CT กับ H&E เอง
