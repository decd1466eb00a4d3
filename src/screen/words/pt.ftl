# Portuguese. Not reviewed by a speaker with a clinical background.

decimal-sign = ,
percent = { $number } %
date = { $day } { $month ->
    [1] jan
    [2] fev
    [3] mar
    [4] abr
    [5] mai
    [6] jun
    [7] jul
    [8] ago
    [9] set
    [10] out
    [11] nov
   *[12] dez
} { $year }
moment = { $day } { $month ->
    [1] jan
    [2] fev
    [3] mar
    [4] abr
    [5] mai
    [6] jun
    [7] jul
    [8] ago
    [9] set
    [10] out
    [11] nov
   *[12] dez
} { $year }, { $time } UTC

# On every page
research-only = Apenas para pesquisa: não é um diagnóstico
clock-not-trusted = A data pode estar errada
back = Voltar
close = Fechar
lock = Bloquear
cancel = Cancelar

# The keyboard
key-space = Espaço
key-erase = Apagar
key-shift = Aa
key-more = Mais
key-done = Pronto

# Lock
lock-title = Quem é você?
lock-role = Escolha quem é
lock-pin = PIN de { $role }
lock-starting = O aparelho está iniciando
lock-trying = Verificação do PIN em curso
role-operator = Operador
role-reviewer = Revisor
role-administrator = Administrador

# Why something was not done
denied-refused = Isto não deve ser feito com estes dados
denied-usage = Não é possível fazer isto agora
denied-unreadable = Não é possível ler isto
denied-internal = O aparelho não conseguiu fazer isto
denied-not-ready = O aparelho não está pronto para isto
denied-configuration = O aparelho não está configurado para isto
denied-pin-wrong = PIN errado
denied-pin-wait = PIN errado muitas vezes: espere
denied-role = O seu perfil não permite isto
denied-login = Faça login antes

# Home
home-cases = Casos
home-no-cases = Nenhum caso hoje
home-new = Novo caso
home-settings = Ajustes
home-device = Aparelho
home-control-case = Caso de controle
progress-draft = em preparação
progress-queued = em espera
progress-assessed = resultado
progress-refused = recusado
progress-set-aside = separado
progress-reviewed = revisto
progress-exported = exportado
part-camera = Câmera
part-share = Pasta de TC
part-storage = Disco
part-temperature = Temperatura
part-clock = Relógio
part-control = Caso de controle
part-networks = Redes de IA
part-well = OK
part-none = não há
part-gone = ausente
part-full = cheio
part-warm = alta
part-hot = excessiva
part-unknown = não se sabe
part-not-trusted = pode ter erro
part-overdue = atrasado
part-instead = motor de reserva
part-failed = falhou
part-loading = carregando
part-never = ainda não feito

# A new case
form-title = Novo caso
form-first = 1.º identificador
form-second = 2.º identificador
form-age = Idade em anos
form-sex = Sexo
form-smoking = Tabagismo
form-specimen = Amostra
form-required = preencher
form-unknown = não se sabe
form-open = Abrir o caso
form-female = mulher
form-male = homem
form-never = nunca
form-former = parou
form-current = atual
form-biopsy = biópsia
form-cytology = citologia
form-resection = ressecção
form-age-wrong = A idade vai de 0 a 120
form-same = Os dois identificadores são iguais
form-long = No máximo 64 caracteres
form-unshown = Um caractere não pode ser mostrado
form-other-second = Caso { $cases }: mesmo primeiro identificador, mas outro segundo. Pode ser outro paciente. Verifique os dois.
form-same-patient = É o mesmo paciente

# A case before it is handed over
draft-submit = Pedir avaliação
draft-empty = Primeiro é preciso uma TC ou um campo
draft-earlier = Casos anteriores deste paciente: { $cases }
draft-no-ct = Ainda sem TC
draft-no-lesion = Há uma TC. Nenhuma lesão marcada: o aparelho escolheria uma
draft-ct = Há uma TC com uma lesão marcada
draft-to-share = Escolher a TC
draft-to-ct = Marcar a lesão
draft-other-ct = Outra TC
draft-fields = { $count ->
    [0] Ainda sem campos
    [one] Um campo capturado
   *[other] { $count } campos capturados
}
draft-to-microscope = Ir ao microscópio

# The CT
ct-looking = Busca na pasta de TC em curso
ct-reading = Leitura da TC em curso
ct-none = Não há nenhuma TC na pasta
ct-none-of-patient = Na pasta não há nenhuma TC com o identificador deste paciente. Há outras:
ct-choose = Escolha a TC. Compare o identificador.
ct-slices = { $count ->
    [one] { $count } corte
   *[other] { $count } cortes
}
ct-other-id = Esta TC traz o ID de paciente { $found }. O caso é de { $case }. A TC pode ser de outro paciente.
ct-same-patient = É do mesmo paciente
ct-axial = Axial
ct-coronal = Coronal
ct-sagittal = Sagital
ct-axial-slice = Corte axial { $number } de { $count }
ct-coronal-slice = Corte coronal { $number } de { $count }
ct-sagittal-slice = Corte sagital { $number } de { $count }
ct-lung = Pulmão
ct-mediastinum = Mediast.
ct-next-candidate = Sugerir
ct-set-lesion = Marcar a lesão aqui
ct-no-id = sem identificador

# The microscope
microscope-no-camera = A câmera não dá imagem
camera-busy = Outro programa usa a câmera
camera-hangs = A câmera não responde: desligue-a e volte a ligá-la
camera-format = Esta câmera não dá imagens que se possam ler
camera-large = As imagens da câmera são grandes demais: escolha um tamanho menor
microscope-preview = Pré-visualização: nada é guardado até capturar um campo
microscope-preview-heat = Pré-visualização com as zonas que a rede olha: nada é guardado
microscope-heat = Onde olha
microscope-take = Capturar campo
microscope-auto = Auto
microscope-objective = Objetiva { $name }
microscope-count = { $count ->
    [one] { $count } campo
   *[other] { $count } campos
}; melhor com mais { $left }
microscope-enough = { $count } campos: é suficiente
microscope-drop = Retirar o campo { $number }
live-good = Nítido e com tecido: capture
live-blurred = Gire o micrométrico
live-no-tissue = Procure tecido
live-dark = Aumente a luz
live-bright = Reduza a luz
live-no-colour = Não há cor: verifique a coloração e a câmera
live-no-scale = Escala desconhecida: calibre a objetiva
live-checking = Verificação da imagem em curso
live-not-he = Isto não é tecido corado: veja o que está sob a câmera
live-swapped = Vermelho e azul estão trocados: verifique o formato da câmera
live-moving = Mantenha a lâmina parada
live-taken = Este lugar já foi capturado: avance
live-stain = Coloração incomum: verifique a lâmina e o balanço de brancos
live-pen = Pode haver tinta: afaste-se dela
live-fold = O tecido pode estar dobrado: afaste-se da dobra
live-bubble = Pode haver uma bolha de ar: afaste-se dela
live-warm = O aparelho está quente: a rede olha menos vezes
live-hot = O aparelho está quente demais: a rede não olha
live-power = Alimentação fraca: a rede olha menos vezes

# A case that waits
processing-title = O caso está em avaliação
processing-time = { $seconds } s até agora; em geral { $usual } s
processing-time-alone = { $seconds } s até agora
processing-cancel = Parar e voltar à preparação
step-queue = Na fila
step-queue-before = { $count ->
    [0] É o próximo da fila
    [one] Há um caso antes
   *[other] Há { $count } casos antes
}
step-reading = As imagens são lidas e verificadas
step-ct = A TC é examinada e pontuada
step-fields = Os campos são pontuados
step-explaining = As duas são ponderadas e mostra-se onde olharam

# Before the result
first-title = O que vê nas imagens? Diga antes de ver o resultado.
first-cannot-say = Não sei dizer
first-reveal = Guardar e mostrar o resultado
first-no-image = Não há imagem
picture-next = Imagem { $number } de { $count }

# A result. "Normal" is never said alone: see result-normal.
result-favours = Os dados favorecem: { $class } ({ $share })
result-normal = Sem padrão tumoral nestas imagens ({ $share }); não exclui câncer
result-figures = Números
result-weights = Pesos
result-looked = Onde olhou
result-limits = Limites ({ $count })
result-opinion = Sua opinião
result-export = Exportar
result-weakened = { $count ->
    [0] Não se conhecem limitações
    [one] Um ponto enfraquece este resultado: leia-o
   *[other] { $count } pontos enfraquecem este resultado: leia-os
}
result-disagree = { $count ->
    [one] TC e H&E discordam: leia os limites
   *[other] TC e H&E discordam, e há mais que enfraquece este resultado ({ $count }): leia os limites
}
class-adenocarcinoma = adenocarcinoma
class-squamous = carcinoma de células escamosas
class-large-cell = carcinoma de grandes células
class-nsclc-nos = CPNPC-NOS, padrão de grandes células
class-small-cell = carcinoma de pequenas células
class-normal = sem padrão tumoral
branch-fused = ambas
branch-ct = TC
branch-he = H&E
weights = A TC pesa { $ct }; a lâmina, { $he }
weights-compared = Com idade, sexo e tabagismo, a TC pesa { $ct } e a lâmina { $he }; sem eles, a TC pesaria { $without }
weights-ct-alone = Não há lâmina: só a TC foi lida
weights-he-alone = Não há TC: só a lâmina foi lida
weights-unknown-average = não se sabe (usou-se a média)
looked-none = Não foi feita nenhuma explicação
looked-faithful = Verificado: sem a zona marcada, o resultado muda
looked-unchecked = Não verificado: pode não mostrar o que influiu
looked-unreliable = Não há explicação confiável
looked-caption = Onde o modelo olhou, não onde há um tumor
looked-map = Mapa { $share }
looked-method = { $method } ({ $number } de { $count })

# A refusal
refused-title = Estas imagens não devem ser avaliadas
refused-why = Por quê
refused-next = O que fazer
set-aside-why = O aparelho falhou duas vezes neste caso. O caso fica guardado e não é repetido sozinho.
set-aside-again = Tentar mais uma vez

# What a person thinks of it
review-agree = Concordo
review-disagree = Discordo
review-save = Guardar a opinião
review-reason = Por quê? É preciso um motivo.
review-kept = A sua opinião fica guardada junto ao resultado, com o seu perfil e a hora. Não muda nada no resultado.
review-agreed-before = Última vez: concordou
review-disagreed-before = Última vez: discordou

# A case leaves the box
export-nowhere = Este aparelho não tem local definido para exportar
export-where = O caso será gravado em { $folder }. Com ou sem os identificadores?
export-writing = O caso está sendo gravado em { $folder }
export-without = Sem identificadores
export-with = Com identificadores
export-without-note = O arquivo indica o paciente só pelo número do caso.
export-with-warning = O arquivo nomeia o paciente. Entregue só a quem está autorizado.
export-write = Gravar o arquivo
export-done = O caso foi gravado e relido. Já pode retirar o pen drive.

# Settings
settings-title = Ajustes
settings-language = Idioma e letra
settings-log = Diário
settings-verify = Verificar registros
settings-pins = Definir um PIN
settings-about = Este aparelho
about-board = Placa
about-version = Versão
about-bundle = Pacote
about-engine = Motor
about-mirror = Espelho
language-unreviewed = Nenhum clínico reviu ainda este idioma. O que importa para a segurança também é dito em inglês.
letters-plain = Letra normal
letters-large = Letra grande
pin-role = PIN de quem?
pin-new = Novo PIN: 6 a 12 dígitos
pin-again = O mesmo mais uma vez
pin-setting = O PIN está sendo gravado
pin-differ = Os dois não eram iguais. Digite de novo o novo PIN.
log-reading = Leitura do diário em curso
log-head = Anote isto para provar depois que nada foi alterado: { $head }
log-newer = Mais novo
log-older = Mais antigo
done-control = Um caso de controle foi enviado
done-verified = Os registros estão íntegros: nada foi alterado
done-pin-set = PIN definido
part-update = Atualização
update-installing = em curso
update-installed = reinicie o aparelho
update-refused = recusada
settings-restart = Reiniciar o aparelho
settings-restart-sure = Mais uma vez: reiniciar
done-restart = O aparelho reinicia. Os casos em curso recomeçam.
welcome-title = Bem-vindo: escolha um idioma
welcome-keys = As chaves deste aparelho
welcome-pin = Um PIN para o administrador
welcome-onward = Continuar
welcome-no-pin = Sem PIN por agora
keys-records = Registos dos pacientes
keys-networks = Redes
key-box = selados com uma chave deste aparelho. Quem retirar o disco não os consegue ler.
key-disk = selados com uma chave que está no mesmo disco: este aparelho não tem TPM. Quem levar o disco pode lê-los.
key-pin = selados com uma chave que um PIN abre. Após cada arranque alguém o digita.
key-file = selados com uma chave guardada ao lado deles. Isso não protege nada.
key-development = Qualquer pessoa pode assinar redes para este aparelho: só para testes, nunca para pacientes.
rescue-title = Este aparelho não está pronto
rescue-next = O aparelho não apagou nada. Chame o responsável pelo aparelho.

# Refusals
note-missing-slice = Falta um corte da TC.
next-missing-slice = Exporte de novo a série inteira.
note-uneven-slices = Os cortes da TC não têm espaçamento regular.
next-uneven-slices = Exporte uma reconstrução com espaçamento regular.
note-duplicate-slices = Dois cortes da TC estão no mesmo lugar.
next-duplicate-slices = Exporte uma só aquisição da série, sem cópias.
note-mixed-geometry = Os cortes da TC não são do mesmo conjunto.
next-mixed-geometry = Exporte de novo a série como uma só reconstrução.
note-two-patients = Há mais de um paciente na TC.
next-two-patients = Exporte um só paciente e tente de novo.
note-several-series = Pode ser mais de uma série de TC.
next-several-series = Dê só a série pretendida.
note-no-volume = Isto não é uma série axial de TC.
next-no-volume = Exporte uma série axial de TC do tórax.
note-lesion-outside-volume = A lesão marcada está fora da TC.
next-lesion-outside-volume = Marque a lesão dentro do volume examinado.
note-no-lesion-candidate = Nenhuma lesão está marcada e nenhuma se destaca.
next-no-lesion-candidate = Marque a lesão à mão.
note-scale-unknown = A escala da imagem é desconhecida.
next-scale-unknown = Calibre a objetiva.
note-scale-too-coarse = A imagem não tem detalhe para mostrar os núcleos.
next-scale-too-coarse = Use uma objetiva de pelo menos 10x.
note-not-colour = A imagem não tem cor.
next-not-colour = Capture uma imagem colorida de uma lâmina com H&E.
note-blank-image = A imagem não mostra tecido.
next-blank-image = Procure tecido.
note-too-dark = A imagem está muito escura.
next-too-dark = Aumente a luz ou a exposição.
note-blurred-image = A imagem está desfocada.
next-blurred-image = Gire o parafuso micrométrico até os núcleos ficarem nítidos.
note-image-too-small = A imagem é muito pequena.
next-image-too-small = Capture um campo maior.
note-too-little-tissue = Há muito pouco tecido.
next-too-little-tissue = Procure mais tecido.
note-stain-degenerate = Não é possível ler a coloração.
next-stain-degenerate = Verifique a coloração H&E e o balanço de brancos.

# Limits
note-no-ct = Não havia TC.
next-no-ct = Só as imagens H&E foram lidas.
note-no-he = Não havia imagem H&E.
next-no-he = Só a TC foi lida.
note-metadata-missing = Não se sabe a idade, o sexo ou o tabagismo.
next-metadata-missing = Usou-se no lugar a média da coorte de treino.
note-lesion-suggested = O aparelho escolheu a lesão.
next-lesion-suggested = Verifique se o círculo está na lesão pretendida.
note-patch-clipped = Parte do que foi lido está fora da TC.
next-patch-clipped = Essa parte foi preenchida com ar.
note-branches-disagree = TC e H&E favorecem classes diferentes.
next-branches-disagree = Leia as duas e pondere você mesmo.
note-field-left-out = Um campo ficou de fora.
next-field-left-out = Capture o campo de novo.
note-few-tiles = Havia pouco tecido para ler.
next-few-tiles = Acrescente campos com tecido.
note-stain-unusual = A coloração é fora do comum.
next-stain-unusual = Verifique a coloração e o balanço de brancos.
note-thick-slices = Os cortes da TC são espessos.
next-thick-slices = Use uma reconstrução mais fina, se houver.
note-phantom-bundle = As redes foram treinadas com fantomas sintéticos.
next-phantom-bundle = Os seus números nada significam em pacientes.
note-control-overdue = O caso de controle está atrasado.
next-control-overdue = Peça a avaliação do caso de controle.
note-control-failed = O aparelho falhou no seu caso de controle.
next-control-failed = Não confie no resultado. Mande verificar o aparelho.
note-clock-not-trusted = A data deste resultado é incerta.
next-clock-not-trusted = Anote a data à mão.
note-other-patient-id = A TC veio com outro ID de paciente.
next-other-patient-id = Compare a TC com os papéis do paciente.
note-ct-revised = Chegaram mais cortes depois do envio do caso.
next-ct-revised = Abra um novo caso com a TC inteira.
note-outside-training-range = Idade, sexo ou tabagismo fora do que o treino viu.
next-outside-training-range = Pondere você mesmo a TC e a H&E.
