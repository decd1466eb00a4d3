# The catalogue in which the project is written. Every other one says the same messages with the same values.

decimal-sign = .
percent = { $number }%
date = { $day } { $month ->
    [1] Jan
    [2] Feb
    [3] Mar
    [4] Apr
    [5] May
    [6] Jun
    [7] Jul
    [8] Aug
    [9] Sep
    [10] Oct
    [11] Nov
   *[12] Dec
} { $year }
moment = { $day } { $month ->
    [1] Jan
    [2] Feb
    [3] Mar
    [4] Apr
    [5] May
    [6] Jun
    [7] Jul
    [8] Aug
    [9] Sep
    [10] Oct
    [11] Nov
   *[12] Dec
} { $year }, { $time } UTC

# On every page
research-only = Research use only: not a diagnosis
clock-not-trusted = The date may be wrong
back = Back
close = Close
lock = Lock
cancel = Cancel

# The keyboard
key-space = Space
key-erase = Erase
key-shift = Aa
key-more = More
key-done = Done

# Lock
lock-title = Who are you?
lock-role = Choose who you are
lock-pin = PIN of the { $role }
lock-starting = The device is starting
lock-trying = The PIN is being checked
role-operator = Operator
role-reviewer = Reviewer
role-administrator = Administrator

# Why something was not done
denied-refused = This must not be done with these data
denied-usage = This cannot be done now
denied-unreadable = This cannot be read
denied-internal = The device has failed at this
denied-not-ready = The device is not ready for this
denied-configuration = The device is not set up for this
denied-pin-wrong = The PIN is wrong
denied-pin-wait = Too many wrong PINs: wait
denied-role = Your role may not do this
denied-login = Log in first

# Home
home-cases = Cases
home-no-cases = No case today
home-new = New case
home-settings = Settings
home-device = Device
home-control-case = Control case
progress-draft = being prepared
progress-queued = waiting
progress-assessed = result
progress-refused = refused
progress-set-aside = set aside
progress-reviewed = reviewed
progress-exported = exported
part-camera = Camera
part-share = CT share
part-storage = Storage
part-temperature = Temperature
part-clock = Clock
part-control = Control case
part-networks = Networks
part-well = well
part-none = none
part-gone = not there
part-full = full
part-warm = warm
part-hot = too hot
part-unknown = not known
part-not-trusted = may be wrong
part-overdue = overdue
part-instead = spare engine
part-failed = failed
part-loading = loading
part-never = not done yet

# A new case
form-title = New case
form-first = First identifier
form-second = Second identifier
form-age = Age in years
form-sex = Sex
form-smoking = Smoking
form-specimen = Specimen
form-required = needed
form-unknown = not known
form-open = Open the case
form-female = female
form-male = male
form-never = never
form-former = former
form-current = current
form-biopsy = biopsy
form-cytology = cytology
form-resection = resection
form-age-wrong = An age is between 0 and 120
form-same = The two identifiers are the same
form-long = At most 64 characters
form-unshown = A character cannot be shown
form-other-second = Case { $cases } has the same first identifier and another second one. It may be another patient. Check both.
form-same-patient = It is the same patient

# A case before it is handed over
draft-submit = Have it assessed
draft-empty = A CT or a field is needed first
draft-earlier = Earlier cases of this patient: { $cases }
draft-no-ct = No CT yet
draft-no-lesion = There is a CT. No lesion is marked: the device would choose one
draft-ct = There is a CT with a marked lesion
draft-to-share = Choose the CT
draft-to-ct = Mark the lesion
draft-other-ct = Another CT
draft-fields = { $count ->
    [0] No field yet
    [one] One field was taken
   *[other] { $count } fields were taken
}
draft-to-microscope = To the microscope

# The CT
ct-looking = The share is being looked through
ct-reading = The CT is being read
ct-none = No CT waits on the share
ct-none-of-patient = No CT with this patient's identifier waits on the share. Others do:
ct-choose = Choose the CT. Compare the identifier.
ct-slices = { $count ->
    [one] one slice
   *[other] { $count } slices
}
ct-other-id = This CT says the Patient ID { $found }. The case is of { $case }. It may be another patient's.
ct-same-patient = It is the same patient's
ct-axial = Axial
ct-coronal = Coronal
ct-sagittal = Sagittal
ct-axial-slice = Axial slice { $number } of { $count }
ct-coronal-slice = Coronal slice { $number } of { $count }
ct-sagittal-slice = Sagittal slice { $number } of { $count }
ct-lung = Lung
ct-mediastinum = Mediast.
ct-next-candidate = Suggest
ct-set-lesion = Set the lesion here
ct-no-id = without an identifier

# The microscope
microscope-no-camera = The camera gives no picture
camera-busy = Another program uses the camera
camera-hangs = The camera hangs: unplug it and plug it in again
camera-format = This camera gives no pictures that can be read
camera-large = The camera's pictures are too large: choose a smaller size
microscope-preview = Preview: nothing of it is kept until you take a field
microscope-preview-heat = Preview with where the network looks: nothing of it is kept
microscope-heat = Where it looks
microscope-take = Take this field
microscope-auto = Auto
microscope-objective = Objective { $name }
microscope-count = { $count ->
    [one] One field
   *[other] { $count } fields
}; { $left } more are better
microscope-enough = { $count } fields: enough
microscope-drop = Take out field { $number }
live-good = Sharp, with tissue: take it
live-blurred = Turn the fine focus
live-no-tissue = Move to tissue
live-dark = Turn up the light
live-bright = Turn down the light
live-no-colour = There is no colour: check the stain and the camera
live-no-scale = The scale is not known: calibrate the objective
live-checking = The picture is being checked
live-not-he = This is no stained tissue: look what lies under the camera
live-swapped = Red and blue are exchanged: check the camera's format
live-moving = Hold the slide still
live-taken = This place was taken: move on
live-stain = The stain is unusual: check slide and white balance
live-pen = There may be ink: move away from it
live-fold = The tissue may be folded: move away from the fold
live-bubble = There may be an air bubble: move away from it
live-warm = The box is warm: the network looks less often
live-hot = The box is too hot: the network does not look
live-power = The power supply is weak: the network looks less often

# A case that waits
processing-title = The case is being assessed
processing-time = { $seconds } s so far; usually { $usual } s
processing-time-alone = { $seconds } s so far
processing-cancel = Stop, and go back to preparing
step-queue = In the queue
step-queue-before = { $count ->
    [0] Next in the queue
    [one] One case comes first
   *[other] { $count } cases come first
}
step-reading = The images are read and checked
step-ct = The CT is searched and scored
step-fields = The fields are scored
step-explaining = Both are weighed, and it is shown where they looked

# Before the result
first-title = What do you see in the images? Say it before the result is shown.
first-cannot-say = I cannot say
first-reveal = Keep this, and show the result
first-no-image = There is no image
picture-next = Picture { $number } of { $count }

# A result. "Normal" is never said alone: see result-normal.
result-favours = The evidence favours: { $class } ({ $share })
result-normal = No tumour pattern in these images ({ $share }); does not exclude cancer
result-figures = Figures
result-weights = Weights
result-looked = Where it looked
result-limits = Limits ({ $count })
result-opinion = Your opinion
result-export = Export
result-weakened = { $count ->
    [0] No limits are known
    [one] One thing weakens this result: read it
   *[other] { $count } things weaken this result: read them
}
result-disagree = { $count ->
    [one] CT and H&E disagree: read the limits
   *[other] CT and H&E disagree, and more weakens this result ({ $count }): read the limits
}
class-adenocarcinoma = adenocarcinoma
class-squamous = squamous cell carcinoma
class-large-cell = large cell carcinoma
class-nsclc-nos = NSCLC-NOS, large-cell pattern
class-small-cell = small cell carcinoma
class-normal = no tumour pattern
branch-fused = both
branch-ct = CT
branch-he = H&E
weights = The CT counts { $ct }, the slide { $he }
weights-compared = Age, sex and smoking let the CT count { $ct } and the slide { $he }; without them the CT would count { $without }
weights-ct-alone = There is no slide: the CT alone was read
weights-he-alone = There is no CT: the slide alone was read
weights-unknown-average = not known (the average stood in)
looked-none = No explanation was made
looked-faithful = Checked: without what is marked, the result changes
looked-unchecked = Not checked: it may not show what mattered
looked-unreliable = No reliable explanation
looked-caption = Where the model looked, not where a tumour is
looked-map = Map { $share }
looked-method = { $method } ({ $number } of { $count })

# A refusal
refused-title = These images must not be scored
refused-why = Why
refused-next = What to do
set-aside-why = The device failed twice at this case. It is kept, and is not tried again by itself.
set-aside-again = Try once more

# What a person thinks of it
review-agree = I agree
review-disagree = I disagree
review-save = Keep my opinion
review-reason = Why? A reason is needed.
review-kept = Your opinion is kept beside the result, with your role and the time. It changes nothing of the result.
review-agreed-before = Said last: agreed
review-disagreed-before = Said last: disagreed

# A case leaves the box
export-nowhere = This device names no place for exports
export-where = The case is written to { $folder }. With the identifiers or without?
export-writing = The case is being written to { $folder }
export-without = Without identifiers
export-with = With identifiers
export-without-note = The file names the patient by the case's number alone.
export-with-warning = The file names the patient. Give it to nobody who may not know.
export-write = Write the file
export-done = The case was written and read back. The stick can be taken out.

# Settings
settings-title = Settings
settings-language = Language and letters
settings-log = Log
settings-verify = Check the records
settings-pins = Set a PIN
settings-about = This device
about-board = Board
about-version = Version
about-bundle = Bundle
about-engine = Engine
about-mirror = Mirror
language-unreviewed = No clinician has reviewed this language yet. What matters for safety is said in English as well.
letters-plain = Usual letters
letters-large = Large letters
pin-role = Whose PIN?
pin-new = New PIN: 6 to 12 digits
pin-again = The same once more
pin-setting = The PIN is being set
pin-differ = The two were not the same. Type the new PIN again.
log-reading = The log is being read
log-head = Write this down to prove later that nothing was changed: { $head }
log-newer = Newer
log-older = Older
done-control = A control case was handed over
done-verified = The records are whole: nothing was changed
done-pin-set = The PIN is set
part-update = Update
update-installing = being installed
update-installed = restart the device
update-refused = refused
settings-restart = Restart the device
settings-restart-sure = Once more: restart now
done-restart = The device starts again. Cases that are being worked on are begun anew.
welcome-title = Welcome: pick a language
welcome-keys = The keys of this device
welcome-pin = A PIN for the administrator
welcome-onward = Continue
welcome-no-pin = Without PINs for now
keys-records = Patients' records
keys-networks = Networks
key-box = are sealed with a key of this device. Whoever takes the disk out cannot read them.
key-disk = are sealed with a key that lies on the same disk, for this device has no TPM. Whoever takes the disk can read them.
key-pin = are sealed with a key that a PIN opens. After each start somebody types it.
key-file = are sealed with a key that lies open beside them. That protects nothing.
key-development = Anybody can sign networks for this device: for trying only, never for patients.
rescue-title = This device is not ready
rescue-next = This device has erased nothing. Ask whoever looks after it.

# Refusals
note-missing-slice = A slice of the CT is missing.
next-missing-slice = Export the whole series again.
note-uneven-slices = The slices of the CT are unevenly spaced.
next-uneven-slices = Export one reconstruction with even slice spacing.
note-duplicate-slices = Two slices of the CT lie at one place.
next-duplicate-slices = Export one acquisition of the series, without copies.
note-mixed-geometry = The slices of the CT do not belong together.
next-mixed-geometry = Export the series again as one reconstruction.
note-two-patients = There is more than one patient in the CT.
next-two-patients = Export one patient and try again.
note-several-series = More than one CT series could be meant.
next-several-series = Give the one series that is meant.
note-no-volume = This is no axial CT series.
next-no-volume = Export an axial CT series of the thorax.
note-lesion-outside-volume = The marked lesion lies outside the CT.
next-lesion-outside-volume = Mark the lesion inside the scanned volume.
note-no-lesion-candidate = No lesion is marked, and none stands out.
next-no-lesion-candidate = Mark the lesion by hand.
note-scale-unknown = The scale of the image is not known.
next-scale-unknown = Calibrate the objective.
note-scale-too-coarse = The image is too coarse to show nuclei.
next-scale-too-coarse = Use an objective of at least 10x.
note-not-colour = The image has no colour.
next-not-colour = Take a colour image of an H&E-stained slide.
note-blank-image = The image shows no tissue.
next-blank-image = Move to tissue.
note-too-dark = The image is too dark.
next-too-dark = Turn up the light or the exposure.
note-blurred-image = The image is out of focus.
next-blurred-image = Turn the fine focus until the nuclei are sharp.
note-image-too-small = The image is too small.
next-image-too-small = Take a larger field.
note-too-little-tissue = There is too little tissue.
next-too-little-tissue = Move to tissue.
note-stain-degenerate = The stain cannot be read.
next-stain-degenerate = Check the H&E stain and the white balance.

# Limits
note-no-ct = There was no CT.
next-no-ct = The H&E images alone were read.
note-no-he = There was no H&E image.
next-no-he = The CT alone was read.
note-metadata-missing = Age, sex or smoking is not known.
next-metadata-missing = The average of the training cohort stood in for it.
note-lesion-suggested = The device chose the lesion.
next-lesion-suggested = Check that the ring lies on the lesion that is meant.
note-patch-clipped = Part of what was read lies outside the CT.
next-patch-clipped = That part was filled with air.
note-branches-disagree = CT and H&E favour different classes.
next-branches-disagree = Read both and weigh them yourself.
note-field-left-out = A field was left out.
next-field-left-out = Take the field again.
note-few-tiles = There was little tissue to read.
next-few-tiles = Add fields with tissue.
note-stain-unusual = The stain is unusual.
next-stain-unusual = Check the stain and the white balance.
note-thick-slices = The slices of the CT are thick.
next-thick-slices = Use a thinner reconstruction if there is one.
note-phantom-bundle = The networks were trained on synthetic phantoms.
next-phantom-bundle = Their figures mean nothing on patients.
note-control-overdue = The control case is overdue.
next-control-overdue = Have the control case assessed.
note-control-failed = The device failed its control case.
next-control-failed = Do not rely on the result. Have the device looked at.
note-clock-not-trusted = The date of this result is not certain.
next-clock-not-trusted = Note the date by hand.
note-other-patient-id = The CT came under another Patient ID.
next-other-patient-id = Compare the CT with the patient's papers.
note-ct-revised = More slices came after the case was handed over.
next-ct-revised = Open a new case with the whole CT.
note-outside-training-range = Age, sex or smoking lies outside what training saw.
next-outside-training-range = Weigh CT and H&E yourself.
